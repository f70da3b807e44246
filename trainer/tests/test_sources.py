"""Real data in the forms that it comes in, and what is wrong with it."""


import numpy as np
import pytest
from PIL import Image

from cohortfarm_trainer.data.memory import Memory, Seen, check_unseen, read_memory
from cohortfarm_trainer.data.records import age_bins, age_of, race_of, sex_of
from cohortfarm_trainer.data.source import read_source, read_sources
from cohortfarm_trainer.data.split import split_training, test_part
from cohortfarm_trainer.errors import NotFoundError, UsageError

LABELS = ["no-finding", "edema", "pneumonia"]
test_part.__test__ = False  # a function of the trainer, whatever pytest makes of its name


def image(path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), 100).save(path)


def folder_with(tmp_path, csv: str, *images: str, name: str = "metadata.csv"):
    for one in images:
        image(tmp_path / one)
    (tmp_path / name).write_text(csv)
    return str(tmp_path)


def test_chest_xray14_as_it_comes(tmp_path):
    csv = (
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,OriginalImage[Width,Height],x\n"
        "00000001_000.png,Cardiomegaly,0,1,058Y,M,PA,2682,2749\n"
        "00000001_001.png,Edema|Pneumonia,1,1,58,M,PA,2894,2729\n"
        "00000002_000.png,No Finding,0,2,411,F,PA,2500,2048\n"
    )
    names = ["images_001/images/00000001_000.png", "images_002/images/00000001_001.png", "images_002/images/00000002_000.png"]
    records = read_source(folder_with(tmp_path, csv, *names, name="Data_Entry_2017_v2020.csv"), LABELS, {})
    assert records.labels.tolist() == [[0, 0, 0], [0, 1, 1], [1, 0, 0]]
    assert records.sex.tolist() == ["male", "male", "female"]
    assert records.age[:2].tolist() == [58, 58] and np.isnan(records.age[2])
    assert records.race.tolist() == ["unknown"] * 3
    assert records.patient_count() == 2


def test_one_column_for_each_finding_as_in_chexpert(tmp_path):
    csv = (
        "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Edema,Pneumonia\n"
        "set/train/patient00001/study1/a.jpg,Female,68,Frontal,AP,1.0,,\n"
        "set/train/patient00002/study1/a.jpg,Male,40,Frontal,AP,,1.0,-1.0\n"
    )
    names = ["train/patient00001/study1/a.jpg", "train/patient00002/study1/a.jpg"]
    records = read_source(folder_with(tmp_path, csv, *names, name="train.csv"), LABELS, {})
    # -1 is uncertain: it says neither that there is one nor that there is none.
    assert np.array_equal(records.labels, np.array([[1, 0, 0], [0, 1, np.nan]], np.float32), equal_nan=True)
    assert [patient.rsplit("#")[-1] for patient in records.patients] == ["patient00001", "patient00002"]


# As CheXpert ships: three patients, each with a film of the same file name.
CHEXPERT = "Path,Sex,Age,No Finding,Edema\n" + "".join(
    f"{{root}}/train/patient0000{i}/study1/view1_frontal.jpg,Female,68,,{i % 2}.0\n" for i in (1, 2, 3)
)
FRONTAL = [f"train/patient0000{i}/study1/view1_frontal.jpg" for i in (1, 2, 3)]


@pytest.mark.parametrize("there", [FRONTAL[:1], FRONTAL[:2], ["view1_frontal.jpg"], ["patient00001/study1/view1_frontal.jpg"]])
def test_science_3_a_row_whose_path_matches_no_file_is_an_error_never_another_file_of_that_name(tmp_path, there):
    with pytest.raises(NotFoundError, match=r"names \d images that are not there, such as .*patient0000\d/study1/view1_frontal.jpg"):
        read_source(folder_with(tmp_path, CHEXPERT.format(root="CheXpert-v1.0"), *there, name="train.csv"), LABELS, {})


@pytest.mark.parametrize("root", ["CheXpert-v1.0", "CheXpert-v1.0-small"])
def test_science_3_paths_that_begin_with_the_name_of_the_folder_each_have_their_own_file(tmp_path, root):
    records = read_source(folder_with(tmp_path, CHEXPERT.format(root=root), *FRONTAL, name="train.csv"), LABELS, {})
    assert [records.blobs[i].key for i in records.blob] == FRONTAL


def test_science_3_a_name_that_fits_several_files_is_refused(tmp_path):
    csv = "file_name,patient_id,findings\n1.png,1,edema\n"
    with pytest.raises(UsageError, match="1 images that are in several folders, such as 1.png; write their paths"):
        read_source(folder_with(tmp_path / "a", csv, "x/1.png", "y/1.png"), LABELS, {})
    # A name without extension, as in MIMIC and VinDr, or an absolute path mean one file each.
    csv = f"dicom_id,patient_id,findings\n1,1,edema\n{tmp_path}/b/y/2.png,2,edema\n"
    records = read_source(folder_with(tmp_path / "b", csv, "x/1.png", "y/2.png"), LABELS, {})
    assert [records.blobs[i].key for i in records.blob] == ["x/1.png", "y/2.png"]


def test_science_1_8_flags_are_read_as_people_write_them(tmp_path):
    rows = [("True", "1.0"), ("false", "0.0"), ("", "1"), ("TRUE", "")]
    csv = "file_name,patient_id,Edema,Pneumonia\n" + "".join(f"1.png,{i},{edema},{pneumonia}\n" for i, (edema, pneumonia) in enumerate(rows))
    records = read_source(folder_with(tmp_path, csv, "1.png"), LABELS, {})
    assert records.labels[:, 1].tolist() == [1, 0, 0, 1] and records.labels[:, 2].tolist() == [1, 0, 1, 0]


def test_science_1_8_a_column_of_0_and_1_that_is_no_finding_is_not_one(tmp_path):
    csv = "file_name,patient_id,portable,No Finding,Edema\n1.png,1,1,1,0\n1.png,2,1,0,1\n"
    assert read_source(folder_with(tmp_path / "a", csv, "1.png"), LABELS[:2], {}).labels.tolist() == [[1, 0], [0, 1]]
    with pytest.raises(UsageError, match="has no findings: .*portable are neither labels nor known as findings"):
        read_source(folder_with(tmp_path / "b", "file_name,patient_id,portable\n1.png,1,1\n", "1.png"), LABELS, {})
    # What the config calls a finding is one.
    csv = "file_name,patient_id,bone-age-high,No Finding\n1.png,1,1,0\n1.png,2,0,1\n"
    records = read_source(folder_with(tmp_path / "c", csv, "1.png"), ["no-finding", "bone-age-high"], {})
    assert records.labels.tolist() == [[0, 1], [1, 0]]


def test_science_1_8_no_finding_is_not_inferred_from_two_columns(tmp_path):
    csv = "file_name,patient_id,Edema,Pneumonia\n1.png,1,0,0\n1.png,2,1,0\n1.png,3,-1,0\n"
    records = read_source(folder_with(tmp_path, csv, "1.png"), LABELS, {})
    assert np.array_equal(records.labels[:, 0], [np.nan, 0, np.nan], equal_nan=True)
    # Where the source says that these are all, it is; what is uncertain stays so.
    records = read_source(str(tmp_path), LABELS, {}, {"complete": True})
    assert np.array_equal(records.labels[:, 0], [1, 0, np.nan], equal_nan=True)


def test_a_label_that_a_source_does_not_know_is_unknown_there_not_absent(tmp_path):
    one = folder_with(tmp_path / "a", "file_name,patient_id,findings\n1.png,1,edema\n2.png,2,no finding\n", "1.png", "2.png")
    two = folder_with(tmp_path / "b", "file_name,patient_id,findings\n1.png,1,pneumonia\n2.png,2,\n", "1.png", "2.png")
    records = read_sources({"data": [one, two]}, LABELS, {})
    expected = [[0, 1, np.nan], [1, 0, np.nan], [0, np.nan, 1], [np.nan] * 3]
    assert np.array_equal(records.labels, np.array(expected, np.float32), equal_nan=True)
    # Two folders that use the same numbers are two hospitals.
    assert records.patient_count() == 4
    with pytest.raises(UsageError, match="labelled for edema"):
        read_sources({"data": [two]}, LABELS, {})


def test_a_folder_of_sites_is_all_of_them(tmp_path):
    for site in ("a", "b"):
        folder_with(tmp_path / "real" / site, "file_name,patient_id,findings\nx.png,1,edema\n", "x.png")
    assert len(read_source(str(tmp_path / "real"), LABELS, {})) == 2


@pytest.mark.parametrize(
    ("csv", "message"),
    [
        ("name,patient_id,findings\n1.png,1,edema\n", "no column for the image"),
        ("file_name,findings\n1.png,edema\n", "no column for the patient"),
        ("file_name,patient_id,findings\n1.png,,edema\n", "1 rows name no patient"),
        ("file_name,patient_id\n1.png,1\n", "has no findings"),
        ("file_name,patient_id,findings\n9.png,1,edema\n", "1 images that are not there, such as 9.png"),
        ("file_name,patient_id,findings,split\n1.png,1,edema,later\n", "'later' is none of train, validation, test"),
        ("file_name,patient_id,findings\n", "has no rows"),
    ],
)
def test_what_is_wrong_with_a_csv_is_said(tmp_path, csv, message):
    with pytest.raises(UsageError, match=message):
        read_source(folder_with(tmp_path, csv, "1.png"), LABELS, {})


def test_places_with_nothing_in_them(tmp_path):
    with pytest.raises(NotFoundError, match="there is nothing at"):
        read_source(str(tmp_path / "none"), LABELS, {})
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UsageError, match="neither dataset.json"):
        read_source(str(tmp_path), LABELS, {})


def many(tmp_path, split: str = ""):
    rows = "".join(f"1.png,{i // 3},edema{',' + ('test' if i % 5 == 0 else 'train') if split else ''}\n" for i in range(300))
    return folder_with(tmp_path, f"file_name,patient_id,findings{split}\n{rows}", "1.png")


def test_patients_never_straddle(tmp_path):
    records = read_source(many(tmp_path), LABELS, {})
    for seed in range(5):
        own, held = split_training(records, 0.2, seed)
        assert not set(own.patients) & set(held.patients)
        assert len(own) + len(held) == 300 and held.patient_count() == 20
    assert set(split_training(records, 0.2, 1)[1].patients) != set(split_training(records, 0.2, 2)[1].patients)


def test_the_split_does_not_depend_on_where_the_data_lies(tmp_path):
    held = [split_training(read_source(many(tmp_path / name), LABELS, {}), 0.2, 3)[1] for name in ("here", "there")]
    names = [{patient.rpartition("#")[2] for patient in one.patients} for one in held]
    assert names[0] == names[1] and set(held[0].patients) != set(held[1].patients)


def test_a_split_of_the_source_is_kept_and_checked(tmp_path):
    with pytest.raises(UsageError, match="patients are in two parts of the split"):
        split_training(read_source(many(tmp_path, ",split"), LABELS, {}), 0.2, 0)
    csv = "file_name,patient_id,findings,split\n" + "".join(f"1.png,{i},edema,{part}\n" for i, part in enumerate(["train"] * 4 + ["val"] * 2 + ["test"] * 3))
    records = read_source(folder_with(tmp_path / "b", csv, "1.png"), LABELS, {})
    own, held = split_training(records, 0.5, 0)
    assert (len(own), len(held), len(test_part(records))) == (4, 2, 3)


VIEWS = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Edema,Pneumonia\n"
    "set/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,,-1.0,1.0\n"
    "set/patient00001/study1/view2_lateral.jpg,Female,68,Lateral,,,-1.0,1.0\n"
    "set/patient00002/study1/view1_frontal.jpg,Male,40,Frontal,PA,1.0,,-1.0\n"
)
FILMS = ["patient00001/study1/view1_frontal.jpg", "patient00002/study1/view1_frontal.jpg"]


@pytest.mark.parametrize(
    ("uncertain", "expected"),
    [
        ({}, [[0, np.nan, 1], [1, 0, np.nan]]),
        ({"default": "ones"}, [[0, 1, 1], [1, 0, 1]]),
        ({"default": "zeros", "edema": "ones"}, [[0, 1, 1], [1, 0, 0]]),
    ],
)
def test_science_3_views_are_chosen_and_uncertain_findings_decided(tmp_path, uncertain, expected):
    how = {"filter": {"view": ["pa", "AP"]}, "uncertain": uncertain}
    # The lateral film is not even there.
    records = read_source(folder_with(tmp_path, VIEWS, *FILMS, name="train.csv"), LABELS, {}, how)
    assert [records.blobs[i].key for i in records.blob] == FILMS
    assert np.array_equal(records.labels, np.array(expected, np.float32), equal_nan=True)


def test_science_3_columns_and_values_of_a_hospital_are_named(tmp_path):
    csv = "Datei,Fall,Geschlecht,Ethnie,Befunde,Menge\n1.png,7,w,weiss,Edema/Pneumonia,dev\n2.png,8,m,schwarz,normal,train\n"
    how = {
        "columns": {
            "image": {"name": "Datei"},
            "patient": {"name": "Fall"},
            "sex": {"name": "Geschlecht", "values": {"w": "female"}},
            "race": {"name": "Ethnie", "values": {"weiss": "WHITE", "schwarz": "BLACK"}},
            "findings": {"name": "Befunde", "separator": "/", "values": {"normal": "no finding"}},
            "split": {"name": "Menge"},
        }
    }
    records = read_source(folder_with(tmp_path, csv, "1.png", "2.png"), LABELS, {}, how)
    assert records.labels.tolist() == [[0, 1, 1], [1, 0, 0]] and records.part.tolist() == ["validation", "train"]
    assert records.sex.tolist() == ["female", "male"] and records.race.tolist() == ["WHITE", "BLACK"]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"columns": {"sex": {"name": "Gender"}}}, "source.columns: .*train.csv has no column Gender; it has Path, Sex"),
        ({"filter": {"view": ["LL"]}}, "source.filter.view: no image of .* is LL; AP/PA has , AP, PA"),
        ({"uncertain": {"fracture": "ones"}}, "source.uncertain: .* has no column for fracture; it has no-finding, edema"),
    ],
)
def test_science_3_a_source_that_does_not_fit_its_csv_is_refused(tmp_path, how, message):
    with pytest.raises(UsageError, match=message):
        read_source(folder_with(tmp_path, VIEWS, *FILMS, "patient00001/study1/view2_lateral.jpg", name="train.csv"), LABELS, {}, how)
    with pytest.raises(UsageError, match="has no column for the view; name it in source.columns.view"):
        folder = folder_with(tmp_path / "b", "file_name,patient_id,findings\n1.png,1,edema\n", "1.png")
        read_source(folder, LABELS, {}, {"filter": {"view": ["PA"]}})


def seen(tmp_path, name: str, patients: str, how: dict | None = None, grey: int = 0, column: str = "") -> Seen:
    """What is remembered of a folder with a film for each patient, all of a grey level of their own."""
    folder = tmp_path / name
    folder.mkdir()
    rows = "".join(f"{patient}.png,{patient},edema{',' + column if column else ''}\n" for patient in patients)
    source = folder_with(folder, f"file_name,patient_id,findings{',site' if column else ''}\n{rows}")
    for i, patient in enumerate(patients):
        Image.new("L", (8, 8), grey + i).save(folder / f"{patient}.png")
    return Seen(read_source(source, LABELS, {}, how))


def test_science_1_8_equal_patient_numbers_without_a_site_are_refused_with_the_fix(tmp_path):
    train, test = seen(tmp_path, "train", "abcdef"), seen(tmp_path, "test", "abcdef", grey=100)
    assert not train.people.patients & test.people.patients
    fix = "6 patients of site a have the same number as patients that the model was trained on, .* name it in both: a column site, or site in the source"
    with pytest.raises(UsageError, match=fix):
        check_unseen("a", test, train.all, "the model")
    # One hospital named is not enough: the other may be the same.
    with pytest.raises(UsageError, match="have the same number"):
        check_unseen("a", seen(tmp_path, "named", "af", {"site": "bidmc"}, 100), train.all, "the model")
    with pytest.raises(UsageError, match="have the same number"):
        check_unseen("a", test, seen(tmp_path, "named-train", "af", {"site": "bidmc"}).all, "the model")
    check_unseen("a", seen(tmp_path, "others", "ghi", grey=200), train.all, "the model")


def test_science_1_8_named_hospitals_decide_whether_patients_are_the_same(tmp_path):
    train = seen(tmp_path, "train", "abc", {"site": "bidmc"})
    with pytest.raises(UsageError, match="2 patients of site a are among those that the model was trained on"):
        check_unseen("a", seen(tmp_path, "same", "bcx", column="bidmc", grey=100), train.all, "the model")
    check_unseen("a", seen(tmp_path, "other", "bcx", {"site": "stanford"}, 100), train.all, "the model")


def test_science_1_8_images_are_compared_by_content(tmp_path):
    train = seen(tmp_path, "train", "abc", {"site": "bidmc"})
    # The films of a and b, under other names and of another hospital.
    with pytest.raises(UsageError, match="2 images of site a are, byte for byte, images that the model was trained on"):
        check_unseen("a", seen(tmp_path, "copies", "xy", {"site": "stanford"}), train.all, "the model")


def test_a_memory_is_stored_and_joined(tmp_path):
    one, two = seen(tmp_path, "one", "ab").all, seen(tmp_path, "two", "bc", {"site": "x"}, 100).all
    assert read_memory((one | two).stored()) == one | two and read_memory({}) == Memory()
    assert one.stored()["trainedOn"] == sorted(one.patients)


def test_people_as_hospitals_write_them():
    assert [sex_of(text) for text in ("F", "male", "Female", "", "O")] == ["female", "male", "female", "unknown", "unknown"]
    assert [race_of(text) for text in ("black/african american", "WHITE - RUSSIAN", "", "unknown")] == ["BLACK", "WHITE", "unknown", "unknown"]
    ages = np.array([age_of(text) for text in ("17", "018Y", "39.9", "95", "411", "")])
    assert age_bins(ages, ["18-39", "40-59"]).tolist() == ["outside", "18-39", "18-39", "outside", "unknown", "unknown"]


def test_a_damaged_image_is_named(tmp_path):
    from cohortfarm_trainer.data.images import ImageReader

    records = read_source(folder_with(tmp_path, "file_name,patient_id,findings\n1.png,1,edema\n", "1.png"), LABELS, {})
    (tmp_path / "1.png").write_bytes(b"no image")
    with pytest.raises(UsageError, match="1.png holds an image that cannot be decoded"):
        ImageReader(records, 8).read(np.array([0]))


