import { crc32 } from 'node:zlib';

/**
 * IPTC term for an image made by a trained model. In the IPTC Photo Metadata Standard, Digital Source Type is an XMP property
 * only (the older IIM block has no field for it), so an XMP packet is the whole mark in JPEG and PNG alike. ExifTool shows it as
 * XMP-iptcExt:DigitalSourceType, and search engines label images by it.
 */
export const TRAINED_ALGORITHMIC_MEDIA = 'http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia';

const JPEG_XMP_HEADER = Buffer.from('http://ns.adobe.com/xap/1.0/\0', 'latin1');
/** A JPEG segment counts its bytes, these two included, in 16 bits. */
const MAX_JPEG_XMP_BYTES = 0xffff - 2 - JPEG_XMP_HEADER.length;
/** Keyword, null, no compression (2 bytes), empty language tag, empty translated keyword. */
const PNG_XMP_HEADER = Buffer.from('XML:com.adobe.xmp\0\0\0\0\0', 'latin1');
/** PNG signature and the IHDR chunk, always first: other chunks may follow. */
const PNG_HEADER_BYTES = 8 + 25;
/** Keeps the packet of two hostile texts within one JPEG segment: escaping grows a character to 5 bytes at most. */
const MAX_TEXT_CHARACTERS = 5000;

/** The XMP packet that marks an image as synthetic. `description` and `system` may be any text. */
export function buildXmp({ description, system }: { description?: string; system?: string }): Buffer {
  const properties = [`<Iptc4xmpExt:DigitalSourceType>${TRAINED_ALGORITHMIC_MEDIA}</Iptc4xmpExt:DigitalSourceType>`];
  if (system) properties.push(`<Iptc4xmpExt:AISystemUsed>${toXmlText(system)}</Iptc4xmpExt:AISystemUsed>`);
  if (description) {
    const text = toXmlText(description);
    properties.push(
      `<dc:description><rdf:Alt><rdf:li xml:lang="x-default">${text}</rdf:li></rdf:Alt></dc:description>`,
    );
  }
  return Buffer.from(
    '<?xpacket begin="\uFEFF" id="W5M0MpCehiHzreSzNTczkc9d"?>' +
      '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">' +
      '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" ' +
      `xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">${properties.join('')}</rdf:Description>` +
      '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>',
  );
}

/** Inserts an XMP packet into an encoded image, which costs microseconds where a pass through the encoder costs more. */
export function embedXmp(image: Buffer, format: 'jpeg' | 'png', xmp: Buffer): Buffer {
  return format === 'jpeg' ? embedInJpeg(image, xmp) : embedInPng(image, xmp);
}

/** Value of Iptc4xmpExt:DigitalSourceType in an XMP packet, written as an element, an attribute or a resource. */
export function readXmpMark(xmp: string): string | null {
  const pattern = /:DigitalSourceType(?:\s*=\s*["']|\s+rdf:resource\s*=\s*["']|\s*>\s*)([^"'<\s]+)/;
  return pattern.exec(xmp)?.[1] ?? null;
}

function embedInJpeg(image: Buffer, xmp: Buffer): Buffer {
  if (xmp.length > MAX_JPEG_XMP_BYTES)
    throw new RangeError(`an XMP packet of ${xmp.length} bytes does not fit in a JPEG`);
  const marker = Buffer.alloc(4);
  marker.writeUInt16BE(0xffe1, 0);
  marker.writeUInt16BE(2 + JPEG_XMP_HEADER.length + xmp.length, 2);
  // sharp writes no JFIF segment, which would have to stay the first one.
  return Buffer.concat([image.subarray(0, 2), marker, JPEG_XMP_HEADER, xmp, image.subarray(2)]);
}

function embedInPng(image: Buffer, xmp: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from('iTXt', 'latin1'), PNG_XMP_HEADER, xmp]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length - 4);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([image.subarray(0, PNG_HEADER_BYTES), length, body, check, image.subarray(PNG_HEADER_BYTES)]);
}

/** Escapes markup and drops what XML 1.0 cannot hold: most control characters, lone surrogates, two noncharacters. */
function toXmlText(text: string): string {
  const shortened = text.slice(0, MAX_TEXT_CHARACTERS).toWellFormed();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is dropped here
  const legal = shortened.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '');
  return legal.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}
