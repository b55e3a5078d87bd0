import pytest
import torch

from napari_cfr_icl._errors import UnknownModelError
from napari_cfr_icl.engine import models
from napari_cfr_icl.zoo import CATALOGUE, DEFAULT_MODEL
from napari_cfr_icl.zoo.catalog import require


def test_every_published_checkpoint_is_there():
    families = [name.split("-")[0] for name in CATALOGUE]
    assert {family: families.count(family) for family in families} == {
        "hrnet18": 1,
        "ritm": 5,
        "simpleclick": 7,
        # The published one, and two of ours.
        "cfr": 3,
        "sam": 3,
        "sam2.1": 4,
        "micro": 11,
    }


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=list(CATALOGUE))
def test_every_entry_names_a_network_a_licence_a_source_and_a_way_to_get_it(entry):
    with torch.device("meta"):
        model = models.build(models.PUBLISHED[entry.architecture])
    assert isinstance(model, models.ClickModel)
    assert entry.licence
    assert entry.source
    assert entry.page.startswith("https://")
    by_hand = "import the file" in entry.notes
    assert by_hand + bool(entry.urls) + (entry.embedded is not None) == 1
    assert all(url.startswith("https://") for url in entry.urls)


def test_known_file_names_tell_models_apart():
    names = [entry.file_name for entry in CATALOGUE.values() if entry.file_name]
    assert len(names) == len(set(names)) == 30


def test_the_paper_s_own_weights_are_an_archive_and_not_for_commerce():
    entry = require("cfr-icl-vit-h-cocolvis")
    assert [url[-4:] for url in entry.urls] == [".001", ".002", ".003"]
    assert entry.is_archive
    assert "BY-NC" in entry.licence


def test_the_default_ships():
    path = require(DEFAULT_MODEL).embedded_path
    assert path.stat().st_size == require(DEFAULT_MODEL).size


def test_a_misspelt_name_gets_the_nearest_ones():
    with pytest.raises(UnknownModelError, match="Did you mean simpleclick-vit-b-sbd"):
        require("simpleclik-vit-b-sbd")


def test_a_name_like_no_other_gets_them_all():
    with pytest.raises(UnknownModelError, match="There are cfr-icl-mobilesam, cfr-icl-hrnet18"):
        require("???")
