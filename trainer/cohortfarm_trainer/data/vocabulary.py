"""Names of findings in public chest X-ray sets, so that a column of 0 and 1 that is none of them is not taken for a finding."""

# CheXpert and MIMIC-CXR-JPG (Irvin et al. 2019), NIH ChestX-ray14 (Wang et al. 2017), VinDr-CXR (Nguyen et al. 2022), and
# what torchxrayvision reads of PadChest (Bustos et al. 2020).
FINDINGS = frozenset(
    """
    no-finding enlarged-cardiomediastinum cardiomegaly lung-opacity lung-lesion edema consolidation pneumonia atelectasis
    pneumothorax pleural-effusion pleural-other fracture support-devices
    effusion infiltration mass nodule emphysema fibrosis pleural-thickening hernia
    aortic-enlargement calcification clavicle-fracture enlarged-pa ild lung-cavity lung-cyst mediastinal-shift nodule-mass
    pulmonary-fibrosis rib-fracture other-lesion copd lung-tumor tuberculosis other-diseases
    air-trapping aortic-atheromatosis aortic-elongation bronchiectasis costophrenic-angle-blunting flattened-diaphragm
    granuloma hemidiaphragm-elevation hilar-enlargement scoliosis tube
    """.split()
)
