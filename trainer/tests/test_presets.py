"""Public sets in the exact shape that their authors publish: headers, values, paths, several tables."""

import gzip

import numpy as np
import pandas
import pytest
from PIL import Image

from cohortfarm_trainer.data.notes import Notes
from cohortfarm_trainer.data.source import read_source
from cohortfarm_trainer.data.split import split_training, test_part
from cohortfarm_trainer.errors import NotFoundError, UsageError
from dicoms import write_dicom

test_part.__test__ = False  # a function of the trainer, whatever pytest makes of its name
CHEXPERT_14 = (
    "Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,Lung Opacity,"
    "No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices"
)


def picture(path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), 100).save(path)


def packed(path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))


def keys_of(records) -> list[str]:
    return [records.blobs[i].key for i in records.blob]


def flags(header: str, **present: str) -> str:
    """A row of flags under a header; blank where nothing is said."""
    return ",".join(present.get(name.replace(" ", "_").replace("/", "_"), "") for name in header.split(","))


FILMS = [  # dicom_id, subject, study, view, date
    ("02aa804e-bde0afdd-112c0b34-7bc16630-4e384014", "10000032", "50414267", "PA", "21800506"),
    ("174413ec-4ec4c1f7-34ea26b7-c5f994f8-79ef1962", "10000032", "50414267", "LATERAL", "21800506"),
    ("2a2277a9-b0ded155-c0de8eb9-c124d10e-82c5caab", "10000764", "57375967", "AP", "21321023"),
    ("68b5c4b1-227d0485-9cc38c3f-7b84ab51-4b472714", "10000935", "51178377", "PA", "21871007"),
    ("f5ad2df7-a3d9db44-7a0ef57b-8bd4de26-9ddbda84", "10001401", "54292034", "AP", "21310602"),
]


def mimic(folder, hosp):
    """MIMIC-CXR-JPG 2.0.0 and MIMIC-IV 2.2."""
    header = (
        "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime,"
        "ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning\n"
    )
    rows = [f'{one},{subject},{study},"CHEST (PA, LAT)",{view},3056,2544,{date},213014.531,CHEST (PA AND LAT),postero-anterior,Erect\n' for one, subject, study, view, date in FILMS]
    packed(folder / "mimic-cxr-2.0.0-metadata.csv.gz", header + "".join(rows))
    splits = ["train", "train", "validate", "test", "train"]
    packed(
        folder / "mimic-cxr-2.0.0-split.csv.gz",
        "dicom_id,study_id,subject_id,split\n" + "".join(f"{one},{study},{subject},{split}\n" for (one, subject, study, _, _), split in zip(FILMS, splits)),
    )
    labelled = {
        "10000032,50414267": flags(CHEXPERT_14, No_Finding="1.0"),
        "10000764,57375967": flags(CHEXPERT_14, Edema="-1.0", Pleural_Effusion="1.0"),
        "10000935,51178377": flags(CHEXPERT_14, Edema="1.0", Pneumonia="0.0"),
    }
    packed(folder / "mimic-cxr-2.0.0-chexpert.csv.gz", f"subject_id,study_id,{CHEXPERT_14}\n" + "".join(f"{key},{row}\n" for key, row in labelled.items()))
    for one, subject, study, _, _ in FILMS:
        picture(folder / f"files/p{subject[:2]}/p{subject}/s{study}/{one}.jpg")
    patients = "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod\n10000032,F,52,2180,2014 - 2016,2180-09-09\n10000764,M,86,2132,2014 - 2016,\n10000935,F,52,2182,2008 - 2010,\n"
    packed(hosp / "patients.csv.gz", patients)
    header = (
        "subject_id,hadm_id,admittime,dischtime,deathtime,admission_type,admit_provider_id,admission_location,discharge_location,"
        "insurance,language,marital_status,race,edregtime,edouttime,hospital_expire_flag\n"
    )
    races = [("10000032", "WHITE"), ("10000032", "UNKNOWN"), ("10000764", "HISPANIC/LATINO - DOMINICAN"), ("10000935", "BLACK/CAPE VERDEAN"), ("10000935", "WHITE - RUSSIAN"), ("10001401", "KLINGON")]
    rows = [f"{subject},2259575{i},2180-05-06 22:23:00,2180-05-07 17:15:00,,URGENT,P874LG,TRANSFER FROM HOSPITAL,HOME,Other,ENGLISH,WIDOWED,{race},,,0\n" for i, (subject, race) in enumerate(races)]
    packed(hosp / "admissions.csv.gz", header + "".join(rows))
    return {"preset": "mimic-cxr-jpg", "tables": [{"uri": str(hosp / "patients.csv.gz")}, {"uri": str(hosp / "admissions.csv.gz")}]}


def test_science_3_mimic_cxr_jpg_with_the_tables_of_mimic_iv(tmp_path):
    how = mimic(tmp_path / "mimic", tmp_path / "hosp") | {"filter": {"view": ["PA", "AP"]}}
    notes: list[Notes] = []
    records = read_source(str(tmp_path / "mimic"), ["no-finding", "edema", "effusion"], {}, how, notes)
    assert [key.split("/")[-1].split(".")[0] for key in keys_of(records)] == [FILMS[i][0] for i in (0, 2, 3)]
    assert np.array_equal(records.labels, np.array([[1, 0, 0], [0, np.nan, 1], [0, 1, 0]], np.float32), equal_nan=True)
    assert records.sex.tolist() == ["female", "male", "female"] and records.part.tolist() == ["train", "validation", "test"]
    # Age at the study, not at the anchor; a person of whom two admissions say different things has no known race.
    assert records.age.tolist() == [52, 86, 57] and records.race.tolist() == ["WHITE", "HISPANIC", "unknown"]
    assert records.patients.tolist() == ["bidmc#10000032", "bidmc#10000764", "bidmc#10000935"]
    note = notes[0].described()
    assert note["rows"] == 5 and sum(note["leftOut"].values()) == 2 and note["views"] == {"PA": 2, "AP": 1, "LATERAL": 1}
    assert any("rows in" in remark and "differ in race" in remark for remark in note["remarks"])
    assert list(note["notUnderstood"].values()) == [{"KLINGON": 1}]


def test_science_3_mimic_without_mimic_iv_has_no_groups_and_says_so(tmp_path):
    mimic(tmp_path / "mimic", tmp_path / "hosp")
    notes: list[Notes] = []
    records = read_source(str(tmp_path / "mimic"), ["no-finding", "edema"], {}, {"preset": "mimic-cxr-jpg"}, notes)
    assert set(records.sex) == set(records.race) == {"unknown"}
    assert sum("MIMIC-IV" in remark for remark in notes[0].remarks) == 2


def test_science_3_all_that_is_missing_of_a_set_is_said_at_once(tmp_path):
    mimic(tmp_path / "mimic", tmp_path / "hosp")
    for name in ("split", "chexpert"):
        (tmp_path / f"mimic/mimic-cxr-2.0.0-{name}.csv.gz").unlink()
    with pytest.raises(NotFoundError) as error:
        read_source(str(tmp_path / "mimic"), ["no-finding", "edema"], {}, {"preset": "mimic-cxr-jpg"})
    assert [line.split(" has no ")[1].split(" ")[0] for line in str(error.value).split("\n")] == ["mimic-cxr-*-split.csv", "mimic-cxr-*-chexpert.csv"]
    with pytest.raises(NotFoundError, match="has no mimic-cxr-\\*-metadata.csv"):
        read_source(str(tmp_path / "hosp"), ["no-finding", "edema"], {}, {"preset": "mimic-cxr-jpg"})


CHEXPERT = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,"
    "Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)


@pytest.mark.parametrize("root", ["CheXpert-v1.0", "CheXpert-v1.0-small"])
def test_science_3_chexpert_with_its_demographics(tmp_path, root):
    folder = tmp_path / "data"
    header = ",".join(CHEXPERT.split(",")[5:])
    rows = {
        "train": [
            ("patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP", flags(header, No_Finding="1.0")),
            ("patient00002/study2/view1_frontal.jpg,Female,87,Frontal,PA", flags(header, Edema="-1.0", Pleural_Effusion="1.0")),
            ("patient00002/study2/view2_lateral.jpg,Female,87,Lateral,", flags(header, Edema="-1.0", Pleural_Effusion="1.0")),
            ("patient00003/study1/view1_frontal.jpg,Male,41,Frontal,AP", flags(header, Edema="1.0")),
        ],
        "valid": [("patient64541/study1/view1_frontal.jpg,Male,73,Frontal,AP", flags(header, Edema="0.0", Pneumonia="1.0"))],
    }
    for part, lines in rows.items():
        for line, _ in lines:
            picture(folder / part / line.split(",")[0])
        (folder / f"{part}.csv").write_text(CHEXPERT + "\n" + "".join(f"{root}/{part}/{line},{values}\n" for line, values in lines))
    people = [
        ("patient00001", "Female", 68, "White, non-Hispanic", "Non-Hispanic/Non-Latino"),
        ("patient00002", "Female", 87, "White", "Hispanic/Latino"),
        ("patient00003", "Male", 41, "Black or African American", "Non-Hispanic/Non-Latino"),
        ("patient64541", "Male", 73, "Unknown", "Unknown"),
    ]
    pandas.DataFrame(people, columns=["PATIENT", "GENDER", "AGE_AT_CXR", "PRIMARY_RACE", "ETHNICITY"]).to_excel(folder / "CHEXPERT DEMO.xlsx", index=False)
    how = {"preset": "chexpert", "filter": {"view": ["PA", "AP"]}, "uncertain": {"edema": "ones"}}
    notes: list[Notes] = []
    records = read_source(str(folder), ["no-finding", "edema", "pleural-effusion"], {}, how, notes)
    assert keys_of(records) == [f"train/patient0000{i}/study{2 if i == 2 else 1}/view1_frontal.jpg" for i in (1, 2, 3)] + ["valid/patient64541/study1/view1_frontal.jpg"]
    assert records.labels.tolist() == [[1, 0, 0], [0, 1, 1], [0, 1, 0], [0, 0, 0]]
    assert records.race.tolist() == ["WHITE", "HISPANIC", "BLACK", "unknown"] and records.age.tolist() == [68, 87, 41, 73]
    assert records.patients.tolist() == [f"stanford#patient{i}" for i in ("00001", "00002", "00003", "64541")]
    assert records.part.tolist() == ["train"] * 3 + ["validation"] and notes[0].views == {"AP": 3, "PA": 1, "LATERAL": 1}
    assert not notes[0].not_understood


RACES = ["White", "White, non-Hispanic", "White, Hispanic", "Black or African American", "Black, non-Hispanic", "Black, Hispanic", "Asian", "Asian, non-Hispanic",
         "Asian - Historical Conv", "Native Hawaiian or Other Pacific Islander", "Pacific Islander, non-Hispanic", "American Indian or Alaska Native",
         "Native American, Hispanic", "Other", "Other, Hispanic", "Other, non-Hispanic", "Unknown", "Patient Refused", "Race and Ethnicity Unknown"]  # fmt: skip
GROUPS = ["WHITE"] * 2 + ["HISPANIC"] + ["BLACK"] * 2 + ["HISPANIC"] + ["ASIAN"] * 3 + ["PACIFIC ISLANDER"] * 2 + ["AMERICAN INDIAN", "HISPANIC", "unknown", "HISPANIC"] + ["unknown"] * 4


def test_science_3_the_races_of_chexpert_are_few_groups(tmp_path):
    folder = tmp_path / "data"
    picture(folder / "train/a.jpg")
    people = [f"patient{i:05d}" for i in range(len(RACES))]
    (folder / "train.csv").write_text("Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Edema\n" + "".join(f"x/train/{one}/study1/view1_frontal.jpg,Male,50,Frontal,AP,1.0,\n" for one in people))
    for one in people:
        picture(folder / f"train/{one}/study1/view1_frontal.jpg")
    table = pandas.DataFrame({"PATIENT": people, "GENDER": "Male", "AGE_AT_CXR": 50, "PRIMARY_RACE": RACES, "ETHNICITY": "Not Hispanic"})
    table.to_excel(folder / "CHEXPERT DEMO.xlsx", index=False)
    notes: list[Notes] = []
    assert read_source(str(folder), ["no-finding", "edema"], {}, {"preset": "chexpert"}, notes).race.tolist() == GROUPS
    assert not notes[0].not_understood


def nih(folder, version: str = "_v2020"):
    header = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
    rows = ["00000001_000.png,Cardiomegaly,0,1,058Y,M,PA,2682,2749,0.143,0.143,", "00000002_000.png,No Finding,0,2,81,M,AP,2500,2048,0.171,0.171,", "00000003_000.png,Hernia|Effusion,0,3,74,F,PA,2992,2991,0.143,0.143,"]
    folder.mkdir(parents=True)
    (folder / f"Data_Entry_2017{version}.csv").write_text(header + "\n".join(rows) + "\n")
    (folder / "BBox_List_2017.csv").write_text("Image Index,Finding Label,Bbox [x,y,w,h],,,\n00000003_000.png,Effusion,1,2,3,4\n")
    (folder / "train_val_list.txt").write_text("00000001_000.png\r\n00000002_000.png\r\n")
    (folder / "test_list.txt").write_text("00000003_000.png\n")


def test_science_3_chest_xray14_with_its_official_split(tmp_path):
    nih(tmp_path / "nih")
    for i, place in ((1, "images_001"), (2, "images_002"), (3, "images_012")):
        picture(tmp_path / f"nih/{place}/images/0000000{i}_000.png")
    labels = ["no-finding", "pleural-effusion", "effusion", "cardiomegaly", "edema"]
    records = read_source(str(tmp_path / "nih"), labels, {}, {"preset": "nih-cxr14"})
    nan = np.nan
    assert np.array_equal(records.labels, np.array([[0, 0, 0, 1, nan], [1, 0, 0, 0, nan], [0, 1, 1, 0, nan]], np.float32), equal_nan=True)
    assert records.part.tolist() == ["train", "train", "test"] and records.age.tolist() == [58, 81, 74]
    assert records.patients.tolist() == ["nih#1", "nih#2", "nih#3"] and len(test_part(records)) == 1
    own, held = split_training(records, 0.5, 1)
    assert len(own) == len(held) == 1


def test_science_3_a_set_that_is_here_in_part_must_be_called_so(tmp_path):
    nih(tmp_path / "nih")
    picture(tmp_path / "nih/images/00000002_000.jpg")  # scaled down and stored otherwise
    how = {"preset": "nih-cxr14"}
    with pytest.raises(NotFoundError, match="names 2 images that are not there, .*set source.partial"):
        read_source(str(tmp_path / "nih"), ["no-finding", "hernia"], {}, how)
    notes: list[Notes] = []
    records = read_source(str(tmp_path / "nih"), ["no-finding", "hernia"], {}, how | {"partial": True}, notes)
    # The vocabulary is that of the whole table.
    assert records.labels.tolist() == [[1, 0]] and notes[0].left_out == {"the image is not there (partial)": 2}
    (tmp_path / "nih/images/00000002_000.jpg").rename(tmp_path / "nih/images/other.jpg")
    with pytest.raises(NotFoundError, match="names 3 images that are not there"):
        read_source(str(tmp_path / "nih"), ["no-finding", "hernia"], {}, how | {"partial": True})


PADCHEST = (
    ",ImageID,ImageDir,StudyDate_DICOM,StudyID,PatientID,PatientBirth,PatientSex_DICOM,ViewPosition_DICOM,Projection,MethodProjection,Pediatric,"
    "Modality_DICOM,Manufacturer_DICOM,PhotometricInterpretation_DICOM,PixelRepresentation_DICOM,PixelAspectRatio_DICOM,SpatialResolution_DICOM,"
    "BitsStored_DICOM,WindowCenter_DICOM,WindowWidth_DICOM,Rows_DICOM,Columns_DICOM,XRayTubeCurrent_DICOM,Exposure_DICOM,ExposureInuAs_DICOM,"
    "ExposureTime,RelativeXRayExposure_DICOM,ReportID,Report,MethodLabel,Labels,Localizations,LabelsLocalizationsBySentence,labelCUIS,LocalizationsCUIS"
)


def test_science_3_padchest_in_its_own_words(tmp_path):
    folder = tmp_path / "padchest"
    films = [
        ("216840111366964012558082906712009301143450268_00-074-154.png", 0, "20090918", "8536", "1930.0", "F", "PA", "['normal']"),
        ("216840111366964013402131755672012310090510313_02-063-065.png", 5, "20121105", "111", "1950.0", "M", "AP_horizontal", "['pulmonary edema', 'loculated pleural effusion']"),
        ("216840111366964013962490064942014134093945580_01-178-104.png", 12, "20140514", "222", "", "O", "PA", "['unchanged']"),
        ("216840111366964013962490064942014134093945581_01-178-105.png", 12, "20140514", "222", "2014.0", "M", "L", "['air bronchogram', 'exclude']"),
    ]
    names = PADCHEST.split(",")
    rows = []
    for i, (image, place, date, patient, birth, sex, view, labels) in enumerate(films):
        picture(folder / f"{place}/{image}")
        said = {"ImageID": image, "ImageDir": str(place), "StudyDate_DICOM": date, "StudyID": "1", "PatientID": patient, "PatientBirth": birth,
                "PatientSex_DICOM": sex, "Projection": view, "Labels": labels, "Pediatric": "No", "": str(i), "Report": "sin hallazgos, de significado ."}  # fmt: skip
        rows.append([said.get(name, "") for name in names])
    table = pandas.DataFrame(rows, columns=names)
    table.to_csv(folder / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz", index=False)
    notes: list[Notes] = []
    records = read_source(str(folder), ["no-finding", "edema", "pleural-effusion", "consolidation", "infiltration"], {}, {"preset": "padchest"}, notes)
    nan = np.nan
    expected = [[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [nan] * 5, [0, 0, 0, 1, 1]]
    assert np.array_equal(records.labels, np.array(expected, np.float32), equal_nan=True)
    assert records.sex.tolist() == ["female", "male", "unknown", "male"] and records.site.tolist() == ["san-juan"] * 4
    assert np.array_equal(records.age, [79, 62, nan, 0], equal_nan=True) and notes[0].views == {"PA": 2, "AP": 1, "LATERAL": 1}
    assert notes[0].described()["notUnderstood"] == {"sex": {"O": 1}}


VINDR = (
    "Aortic enlargement,Atelectasis,Calcification,Cardiomegaly,Clavicle fracture,Consolidation,Edema,Emphysema,Enlarged PA,ILD,Infiltration,"
    "Lung Opacity,Lung cavity,Lung cyst,Mediastinal shift,Nodule/Mass,Pleural effusion,Pleural thickening,Pneumothorax,Pulmonary fibrosis,"
    "Rib fracture,Other lesion,COPD,Lung tumor,Pneumonia,Tuberculosis,Other diseases,No finding"
)


def vindr_row(**present: str) -> str:
    return ",".join(present.get(name.replace(" ", "_").replace("/", "_"), "0") for name in VINDR.split(","))


def test_science_3_vindr_cxr_by_the_votes_of_its_readers(tmp_path):
    folder = tmp_path / "vindr"
    first, second, third = "000434271f63a053c4128a0ba6352c7f", "00053190460d56c53cc3e57321387478", "002a34c58c5b758217ed1f584ccbcfe9"
    write_dicom(folder / f"train/{first}.dicom", sex="F", age="061Y")
    write_dicom(folder / f"train/{second}.dicom", sex="M", age="")
    write_dicom(folder / f"test/{third}.dicom", sex="O", age="044Y")
    reads = [(first, "R10", vindr_row(Pleural_effusion="1", Edema="1")), (first, "R8", vindr_row(Pleural_effusion="1")), (first, "R9", vindr_row(No_finding="1"))]
    reads += [(second, f"R{i}", vindr_row(No_finding="1")) for i in (1, 2, 3)]
    annotations = folder / "annotations"
    annotations.mkdir()
    (annotations / "image_labels_train.csv").write_text(f"image_id,rad_ID,{VINDR}\n" + "".join(f"{image},{reader},{row}\n" for image, reader, row in reads))
    test_header = VINDR.replace("Other diseases", "Other disease")
    (annotations / "image_labels_test.csv").write_text(f"image_id,{test_header}\n{third},{vindr_row(Edema='1', Rib_fracture='1')}\n")
    (annotations / "annotations_train.csv").write_text("image_id,rad_id,class_name,x_min,y_min,x_max,y_max\n")
    how = {"preset": "vindr-cxr", "filter": {"view": ["PA"]}}
    records = read_source(str(folder), ["no-finding", "effusion", "edema", "fracture"], {}, how)
    assert keys_of(records) == [f"train/{first}.dicom", f"train/{second}.dicom", f"test/{third}.dicom"]
    assert records.labels.tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1]]
    assert records.part.tolist() == ["train", "train", "test"] and records.sex.tolist() == ["female", "male", "unknown"]
    assert np.array_equal(records.age, [61, np.nan, 44], equal_nan=True)


def test_science_3_patients_are_held_out_for_testing(tmp_path):
    nih(tmp_path / "nih")
    (tmp_path / "nih/Data_Entry_2017_v2020.csv").write_text(
        "Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,View Position\n" + "".join(f"{i:08d}_00{k}.png,No Finding,{i},50,M,PA\n" for i in range(200) for k in (0, 1))
    )
    for i in range(200):
        for k in (0, 1):
            picture(tmp_path / f"nih/images/{i:08d}_00{k}.png")
    how = {"preset": "nih-cxr14", "holdOut": {"share": 0.25}}
    records = read_source(str(tmp_path / "nih"), ["no-finding"], {}, how)
    own, validation = split_training(records, 0.2, 7)
    tested = test_part(records)
    sets = [set(one.patients) for one in (own, validation, tested)]
    assert not sets[0] & sets[2] and not sets[1] & sets[2] and sum(map(len, sets)) == 200
    assert 35 <= len(sets[2]) <= 65 and len(tested) == 2 * len(sets[2])
    assert set(test_part(read_source(str(tmp_path / "nih"), ["no-finding"], {}, how | {"holdOut": {"share": 1}})).patients) == sets[0] | sets[1] | sets[2]


def test_science_3_tables_are_joined_by_what_the_config_names(tmp_path):
    folder = tmp_path / "own"
    for name in ("1.png", "2.png"):
        picture(folder / name)
    (folder / "metadata.csv").write_text("file_name,patient_id,findings\n1.png,7,edema\n2.png,8,no finding\n")
    (tmp_path / "people.csv").write_text("patient_id,sex,race\n7.0,F,BLACK\n8,M,WHITE\n")
    table = {"uri": str(tmp_path / "people.csv"), "on": ["patient_id"]}
    records = read_source(str(folder), ["no-finding", "edema"], {}, {"tables": [table]})
    assert records.sex.tolist() == ["female", "male"] and records.race.tolist() == ["BLACK", "WHITE"]
    for wrong, message in (
        ({"uri": table["uri"]}, "people.csv names no headers to join by; add on"),
        ({**table, "on": ["patient"]}, "metadata.csv has no column patient; it has file_name"),
        ({**table, "uri": str(tmp_path / "none.csv")}, "there is no .*none.csv"),
    ):
        with pytest.raises(UsageError, match=message):
            read_source(str(folder), ["no-finding", "edema"], {}, {"tables": [wrong]})
    (tmp_path / "people.csv").write_text("patient_id,sex\n7,F\n7,M\n8,M\n")
    with pytest.raises(UsageError, match="people.csv has several rows for patient_id 7; leave one"):
        read_source(str(folder), ["no-finding", "edema"], {}, {"tables": [table]})


def test_science_3_all_that_is_wrong_with_a_folder_is_said_at_once(tmp_path):
    folder = tmp_path / "own"
    picture(folder / "1.png")
    (folder / "metadata.csv").write_text("file_name,patient_id,split,findings\n1.png,,later,edema\n9.png,2,train,edema\n")
    with pytest.raises(UsageError) as error:
        read_source(str(folder), ["no-finding", "edema"], {})
    lines = str(error.value).split("\n")
    assert len(lines) == 3
    assert "the split 'later' is none of" in lines[0] and "1 rows name no patient" in lines[1] and "9.png" in lines[2]
