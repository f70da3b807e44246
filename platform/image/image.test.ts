import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import sharp from 'sharp';
import {
  decodeImage,
  encodeImage,
  isDegenerate,
  type RawImage,
  readSyntheticMark,
  stretchToEightBits,
  toEightBits,
} from './image.ts';
import { TRAINED_ALGORITHMIC_MEDIA } from './mark.ts';

const FORMATS = ['jpeg', 'png'] as const;

/** A smooth image with texture; colour when the channels differ. */
function picture(width: number, height: number, kind: 'grey' | 'grey in colour' | 'colour'): RawImage {
  const channels = kind === 'grey' ? 1 : 3;
  const data = new Uint8Array(width * height * channels);
  for (let at = 0; at < data.length; at++) {
    const [pixel, channel] = [Math.floor(at / channels), at % channels];
    const value = 128 + 90 * Math.sin((pixel % width) / 9) * Math.cos(Math.floor(pixel / width) / 7);
    data[at] = kind === 'colour' ? value - 20 * channel : value;
  }
  return { width, height, channels, data };
}

/** A grey picture with steps that 8 bits do not have. */
function deepPicture(): RawImage {
  const image = picture(64, 40, 'grey');
  const data = Uint16Array.from(image.data, (value, at) => value * 257 + (at % 90));
  return { ...image, data };
}

describe('images of 16 bits', () => {
  it('keep every value in PNG', async () => {
    const raw = deepPicture();
    const png = await encodeImage(raw, { format: 'png', quality: 95, description: 'a prompt' });
    assert.equal((await sharp(png).metadata()).bitsPerSample, 16);
    assert.deepEqual(await decodeImage(png), raw);
    assert.equal(await readSyntheticMark(png), TRAINED_ALGORITHMIC_MEDIA);
  });

  it('are refused for JPEG and in colour', async () => {
    const raw = deepPicture();
    await assert.rejects(encodeImage(raw, { format: 'jpeg', quality: 95 }), /16 bits are for PNG with one channel/);
    const colour: RawImage = { width: 1, height: 1, channels: 3, data: new Uint16Array(3) };
    await assert.rejects(encodeImage(colour, { format: 'png', quality: 95 }), /16 bits are for PNG with one channel/);
  });

  it('of real films are stretched to their own range of values', () => {
    const film: RawImage = { width: 3, height: 1, channels: 1, data: Uint16Array.of(100, 2148, 4195) };
    assert.deepEqual([...stretchToEightBits(film).data], [0, 128, 255]);
    const even: RawImage = { ...film, data: Uint16Array.of(7, 7, 7) };
    assert.deepEqual([...stretchToEightBits(even).data], [0, 0, 0]);
    const eight = picture(4, 4, 'grey');
    assert.deepEqual(stretchToEightBits(eight), eight);
  });

  it('become the nearest of 8 bits, and those stay as they are', () => {
    const eight: RawImage = { width: 256, height: 1, channels: 1, data: Uint8Array.from({ length: 256 }, (_, i) => i) };
    assert.deepEqual(toEightBits(eight), eight);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 65_535 }), (value) => {
        const { data } = toEightBits({ width: 1, height: 1, channels: 1, data: Uint16Array.of(value) });
        assert.ok(Math.abs(data[0]! * 257 - value) <= 128);
      }),
    );
  });

  it('show nothing where the same image of 8 bits does', () => {
    const value = fc.integer({ min: 3000, max: 5000 });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 4 }), (values) => {
        const deep: RawImage = { width: values.length, height: 1, channels: 1, data: Uint16Array.from(values) };
        assert.equal(isDegenerate(deep.data), isDegenerate(toEightBits(deep).data));
      }),
    );
  });
});

describe('encodeImage', () => {
  it('keeps every pixel in PNG', async () => {
    for (const kind of ['grey', 'colour'] as const) {
      const raw = picture(64, 40, kind);
      const decoded = await decodeImage(await encodeImage(raw, { format: 'png', quality: 95 }));
      assert.deepEqual({ ...decoded, data: [...decoded.data] }, { ...raw, data: [...raw.data] });
    }
  });

  it('stays close in JPEG', async () => {
    for (const kind of ['grey', 'colour'] as const) {
      const raw = picture(64, 40, kind);
      const decoded = await decodeImage(await encodeImage(raw, { format: 'jpeg', quality: 95 }));
      assert.deepEqual([decoded.width, decoded.height, decoded.channels], [64, 40, raw.channels]);
      const errors = Array.from(raw.data, (value, at) => Math.abs(value - decoded.data[at]!));
      const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
      assert.ok(mean < 1.5, `${mean} levels off`);
    }
  });

  it('writes one channel when the image is grey, three when a single pixel is not', async () => {
    const grey = picture(32, 32, 'grey in colour');
    const tinted = { ...grey, data: Uint8Array.from(grey.data) };
    tinted.data[tinted.data.length - 1]! ^= 1;
    for (const format of FORMATS) {
      const [one, three] = [
        await encodeImage(grey, { format, quality: 90 }),
        await encodeImage(tinted, { format, quality: 90 }),
      ];
      assert.equal((await sharp(one).metadata()).channels, 1, format);
      assert.equal((await sharp(three).metadata()).channels, 3, format);
      assert.equal((await decodeImage(one)).channels, 1, format);
      const fromOneChannel = await encodeImage(picture(32, 32, 'grey'), { format, quality: 90 });
      assert.deepEqual(fromOneChannel, one);
    }
  });

  it('gives the same bytes for the same input, alone or among others', async () => {
    const raw = picture(96, 96, 'grey');
    for (const format of FORMATS) {
      const options = { format, quality: 90, description: 'chest', system: 'CohortFarm' };
      const [first, ...others] = await Promise.all(Array.from({ length: 8 }, () => encodeImage(raw, options)));
      for (const other of others) assert.deepEqual(other, first);
    }
  });

  it('refuses data of another size', async () => {
    const raw = { width: 4, height: 4, channels: 3 as const, data: new Uint8Array(16) };
    await assert.rejects(encodeImage(raw, { format: 'png', quality: 90 }), /4x4x3 does not have 16 values/);
  });
});

describe('the synthetic mark', () => {
  it('is in both formats, with system and description', async () => {
    for (const format of FORMATS) {
      const options = { format, quality: 90, system: 'CohortFarm 0.1', description: '60 year old female.' };
      const bytes = await encodeImage(picture(16, 16, 'grey'), options);
      assert.equal(await readSyntheticMark(bytes), TRAINED_ALGORITHMIC_MEDIA);
      const { xmpAsString = '' } = await sharp(bytes).metadata();
      assert.match(xmpAsString, /<Iptc4xmpExt:AISystemUsed>CohortFarm 0.1</);
      assert.match(xmpAsString, /<rdf:li xml:lang="x-default">60 year old female.</);
    }
  });

  it('is absent from other images, and found however XMP spells it', async () => {
    const plain = sharp({ create: { width: 4, height: 4, channels: 3, background: 'red' } });
    assert.equal(await readSyntheticMark(await plain.clone().jpeg().toBuffer()), null);
    const description = (inside: string) =>
      `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">` +
      `<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" ${inside}</rdf:RDF></x:xmpmeta>`;
    const spellings = [
      `Iptc4xmpExt:DigitalSourceType="${TRAINED_ALGORITHMIC_MEDIA}"/>`,
      `><Iptc4xmpExt:DigitalSourceType rdf:resource="${TRAINED_ALGORITHMIC_MEDIA}"/></rdf:Description>`,
      `><Iptc4xmpExt:DigitalSourceType>\n${TRAINED_ALGORITHMIC_MEDIA}\n</Iptc4xmpExt:DigitalSourceType></rdf:Description>`,
    ];
    for (const inside of spellings) {
      const bytes = await plain.clone().withXmp(description(inside)).jpeg().toBuffer();
      assert.equal(await readSyntheticMark(bytes), TRAINED_ALGORITHMIC_MEDIA, inside);
    }
  });

  it('cannot be changed or broken by a hostile description', async () => {
    const nasty =
      '</rdf:li></rdf:Alt></dc:description><Iptc4xmpExt:DigitalSourceType>none<!--"\'&amp;]]>\0\u0007\ud800';
    const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 60 }), fc.constantFrom(nasty, '&'.repeat(6000)));
    const raw = picture(8, 8, 'grey');
    await fc.assert(
      fc.asyncProperty(text, fc.constantFrom(...FORMATS), async (description, format) => {
        const bytes = await encodeImage(raw, { format, quality: 90, description, system: description });
        assert.equal(await readSyntheticMark(bytes), TRAINED_ALGORITHMIC_MEDIA);
        assert.deepEqual((await decodeImage(bytes)).width, 8);
        const { xmpAsString = '' } = await sharp(bytes).metadata();
        assert.equal(xmpAsString.match(/<Iptc4xmpExt:DigitalSourceType>/g)?.length, 1);
        assert.equal(xmpAsString.match(/<rdf:li /g)?.length ?? 0, description === '' ? 0 : 1);
      }),
      { numRuns: 60 },
    );
  });
});

describe('decodeImage', () => {
  it('refuses a damaged file', async () => {
    const bytes = await encodeImage(picture(64, 64, 'grey'), { format: 'jpeg', quality: 90 });
    await assert.rejects(decodeImage(bytes.subarray(0, bytes.length / 2)));
    await assert.rejects(decodeImage(Buffer.from('not an image')));
  });

  it('refuses an image of another size before decoding it', async () => {
    const black = sharp({ create: { width: 12_000, height: 12_000, channels: 3, background: 'black' } });
    const bytes = await black.png({ compressionLevel: 9 }).toBuffer();
    const before = process.resourceUsage().maxRSS;
    await assert.rejects(decodeImage(bytes, { height: 64, width: 64 }), /the image is 12000x12000, not 64x64/);
    assert.ok(process.resourceUsage().maxRSS - before < 100_000, 'its 432 MB are not in memory');
  });
});

it('black, white and nearly constant images are degenerate, the faintest picture is not', () => {
  assert.equal(isDegenerate(new Uint8Array(64)), true);
  assert.equal(isDegenerate(new Uint8Array(64).fill(255)), true);
  assert.equal(isDegenerate(Uint8Array.from({ length: 64 }, (_, i) => 100 + (i % 4))), true);
  assert.equal(isDegenerate(Uint8Array.from({ length: 64 }, (_, i) => 100 + (i % 5))), false);
});
