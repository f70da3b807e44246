/** The part of dcmjs that writes files; it has no types of its own. */
declare module 'dcmjs' {
  type Elements = Readonly<Record<string, unknown>>;

  class DicomDict {
    constructor(meta: Elements);
    dict: Elements;
    write(): ArrayBuffer;
  }

  const DicomMetaDictionary: {
    /** Tags in place of keywords, each with its value representation. */
    denaturalizeDataset(dataset: Elements): Elements;
  };

  const dcmjs: { readonly data: { DicomDict: typeof DicomDict; DicomMetaDictionary: typeof DicomMetaDictionary } };
  export default dcmjs;
}
