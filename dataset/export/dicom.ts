import { derivedUuid } from '../../contract/digest.ts';
import { DIGITAL_SOURCE_TYPE } from '../../contract/names.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { SampleRecord } from '../../contract/schema/record.ts';
import { bitDepthOf, decodeImage, type RawImage } from '../../platform/image/image.ts';
import { uint16Bytes } from '../../platform/uint16.ts';

/**
 * Samples as DICOM files. Computed Radiography is the image class whose required attributes a synthetic image can fill in
 * without inventing any: Digital X-Ray demands the pixel spacing of a detector.
 */

const CR_IMAGE = '1.2.840.10008.5.1.4.1.1.1';
const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';

/** A UID that follows from its parts, under 2.25: a UUID in decimal. */
export const uidOf = (...parts: readonly string[]): string =>
  `2.25.${BigInt(`0x${derivedUuid(...parts).replaceAll('-', '')}`)}`;

/** The UIDs of a sample: each is a study of its own, as each is a person of its own. */
export const sampleUids = (planDigest: string, key: string) => ({
  study: uidOf('cohortfarm study', planDigest, key),
  series: uidOf('cohortfarm series', planDigest, key),
  instance: uidOf('cohortfarm instance', planDigest, key),
});

export interface DicomOptions {
  /** Body Part Examined, such as CHEST; the dataset does not know it. */
  readonly bodyPart: string;
}

export interface DicomSample {
  readonly key: string;
  readonly record: SampleRecord;
  readonly image: Uint8Array;
  readonly extension: string;
}

/** Renders a sample. The same sample gives the same bytes: no time, host or random number is in them. */
export async function renderDicom(sample: DicomSample, manifest: Manifest, options: DicomOptions): Promise<Uint8Array> {
  // Loaded here, so that no other command waits for it.
  const { DicomDict, DicomMetaDictionary } = (await import('dcmjs')).default.data;
  const image = await decodeImage(sample.image, manifest.model);
  const { instance } = sampleUids(manifest.planDigest, sample.key);
  const meta = {
    FileMetaInformationVersion: new Uint8Array([0, 1]).buffer,
    MediaStorageSOPClassUID: CR_IMAGE,
    MediaStorageSOPInstanceUID: instance,
    TransferSyntaxUID: EXPLICIT_LITTLE_ENDIAN,
    ImplementationClassUID: uidOf('cohortfarm implementation'),
    ImplementationVersionName: 'COHORTFARM',
  };
  const file = new DicomDict(DicomMetaDictionary.denaturalizeDataset(meta));
  file.dict = DicomMetaDictionary.denaturalizeDataset({
    ...patient(sample, manifest),
    ...study(sample, manifest, options),
    ...equipment(sample, manifest),
    ...pixels(sample, image),
    _vrMap: { PixelData: image.data instanceof Uint16Array ? 'OW' : 'OB' },
  });
  return new Uint8Array(file.write());
}

const SEXES: ReadonlyMap<string, string> = new Map([
  ['female', 'F'],
  ['f', 'F'],
  ['male', 'M'],
  ['m', 'M'],
]);

/** A subject that cannot be taken for a patient; demographics are those that were wanted of the sample. */
function patient({ key, record }: DicomSample, { planDigest }: Manifest) {
  const { axes, exact } = record;
  const sex = axes.sex === undefined ? '' : (SEXES.get(axes.sex.toLowerCase()) ?? 'O');
  const race = axes.race === undefined ? '' : shortText(axes.race, 16);
  return {
    PatientName: `SYNTHETIC^${key}`,
    PatientID: `SYNTHETIC-${planDigest.slice(0, 12)}-${key}`,
    PatientBirthDate: '',
    PatientSex: sex,
    ...(exact.age !== undefined && { PatientAge: `${String(Math.round(exact.age)).padStart(3, '0')}Y` }),
    ...(race !== '' && { EthnicGroup: race }),
    PatientComments: 'Synthetic image: this is not a person',
  };
}

/** Views that DICOM knows by the names that cohorts use. */
const VIEWS: ReadonlySet<string> = new Set(['AP', 'PA', 'LL', 'RL', 'RLD', 'LLD', 'RLO', 'LLO']);

function study({ key, record }: DicomSample, { planDigest, name }: Manifest, { bodyPart }: DicomOptions) {
  const uids = sampleUids(planDigest, key);
  const view = (record.axes.view ?? '').toUpperCase();
  return {
    SpecificCharacterSet: 'ISO_IR 192',
    SOPClassUID: CR_IMAGE,
    SOPInstanceUID: uids.instance,
    SyntheticData: 'YES',
    StudyInstanceUID: uids.study,
    StudyID: '',
    StudyDate: '',
    StudyTime: '',
    AccessionNumber: '',
    ReferringPhysicianName: '',
    StudyDescription: shortText(`Synthetic dataset ${name}`, 64),
    SeriesInstanceUID: uids.series,
    SeriesNumber: '1',
    SeriesDescription: shortText(record.cell, 64),
    Modality: 'CR',
    BodyPartExamined: bodyPart,
    ViewPosition: VIEWS.has(view) ? view : '',
    InstanceNumber: '1',
    PatientOrientation: '',
    ImageComments: longText(record.prompt),
  };
}

/** The model as contributing equipment, with all that regenerates the image. */
function equipment({ record }: DicomSample, { generator, model, planDigest }: Manifest) {
  const place = model.uri.replace(/\/+$/, '');
  const own = {
    Manufacturer: 'CohortFarm',
    ManufacturerModelName: shortText(place.slice(place.lastIndexOf('/') + 1), 64),
    SoftwareVersions: shortText(`${generator.name} ${generator.version}`, 64),
  };
  const story =
    `Sampled by a text-to-image diffusion model (SHA-256 ${model.digest}) from seed ${record.seed}, attempt ${record.attempt}, ` +
    `of plan ${planDigest}. ${DIGITAL_SOURCE_TYPE}`;
  return {
    ...own,
    ContributingEquipmentSequence: [
      {
        PurposeOfReferenceCodeSequence: [
          { CodeValue: '109102', CodingSchemeDesignator: 'DCM', CodeMeaning: 'Processing Equipment' },
        ],
        ...own,
        DeviceSerialNumber: model.digest,
        ContributionDescription: story,
      },
    ],
  };
}

function pixels({ image: encoded, extension }: DicomSample, image: RawImage) {
  const grey = greyOf(image);
  const bits = bitDepthOf(grey);
  const bytes = grey instanceof Uint16Array ? uint16Bytes(grey) : grey;
  // A value has an even length.
  const data = new Uint8Array(bytes.length + (bytes.length % 2));
  data.set(bytes);
  const lossy = extension === 'jpg';
  return {
    ImageType: ['DERIVED', 'PRIMARY'],
    DerivationDescription: 'Generated by a trained model, not acquired from a person',
    BurnedInAnnotation: 'NO',
    LossyImageCompression: lossy ? '01' : '00',
    ...(lossy && {
      LossyImageCompressionRatio: (bytes.length / encoded.length).toFixed(2),
      LossyImageCompressionMethod: 'ISO_10918_1',
    }),
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    Rows: image.height,
    Columns: image.width,
    BitsAllocated: bits,
    BitsStored: bits,
    HighBit: bits - 1,
    PixelRepresentation: 0,
    PixelData: data.buffer,
  };
}

/** One grey value a pixel: that of the image, or its luma (ITU-R BT.601). */
function greyOf({ channels, data }: RawImage): RawImage['data'] {
  if (channels === 1) return data;
  const grey = new Uint8Array(data.length / 3);
  for (let i = 0, at = 0; at < data.length; i++, at += 3)
    grey[i] = Math.round(0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!);
  return grey;
}

/** Text without what ends or splits a value: control characters and backslashes. */
const shortText = (text: string, most: number): string =>
  Array.from(text.replace(/[\p{Cc}\\]/gu, ' ').trim())
    .slice(0, most)
    .join('');

/** The value representation LT: 10,240 characters, line breaks allowed. */
const longText = (text: string): string =>
  Array.from(text.replace(/[^\P{Cc}\n\r\t]/gu, ' '))
    .slice(0, 10_240)
    .join('')
    .trimEnd();
