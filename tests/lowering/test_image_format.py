"""Wishes for images, fitted to what models can draw."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.capabilities import Loss, Target
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.images import NO_IMAGE_OPTIONS, ImageOptions
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Media, Text
from antigravity.ir.request import Message, Request
from antigravity.lowering.images import fit_image, nearest_ratio
from antigravity.routing.capability_table import CapabilityTable, shipped_rules
from antigravity.routing.image_suffix import split

TABLE = CapabilityTable(shipped_rules())
PRO, FLASH, OLD = "gemini-3-pro-image", "gemini-3.1-flash-image", "gemini-2.5-flash-image"
IMAGEN = "imagen-4.0-generate-001"
RATIOS = TABLE.capabilities(PRO).image_ratios


def fit(
    model: str, wish: ImageOptions | None = NO_IMAGE_OPTIONS, *, images: int = 0, **fields: Any
) -> tuple[dict[str, Any] | None, tuple[Loss, ...]]:
    suffix = fields.pop("suffix", NO_IMAGE_OPTIONS)
    parts = (*[Media("image", InlineData("AAAA"), "image/png")] * images, Text("a cat"))
    request = Request(model, (Message("user", parts),), "openai_images", image=wish, **fields)
    fitted, losses = fit_image(
        request, Target(model, TABLE.capabilities(model), image_options=suffix)
    )
    return fitted.image_config, losses


@pytest.mark.parametrize(
    ("width", "height", "ratio"),
    [
        (1024, 1024, "1:1"),
        (1792, 1024, "16:9"),
        (1024, 1792, "9:16"),
        (1536, 1024, "3:2"),
        (1024, 1536, "2:3"),
        (1280, 720, "16:9"),
        (1024, 768, "4:3"),
        (2560, 1080, "21:9"),
        (4, 5, "4:5"),
    ],
)
def test_usual_sizes_have_their_ratio(width: int, height: int, ratio: str) -> None:
    assert nearest_ratio(width, height, RATIOS)[0] == ratio


@given(st.integers(1, 9999), st.integers(1, 9999))
def test_nearest_ratio_has_least_distance(width: int, height: int) -> None:
    best, off = nearest_ratio(width, height, RATIOS)

    def distance(ratio: str) -> float:
        across, down = map(int, ratio.split(":"))
        return abs(math.log(across / down) - math.log(width / height))

    assert distance(best) == min(map(distance, RATIOS))
    assert off == pytest.approx(math.exp(distance(best)) - 1)


def test_size_becomes_ratio_and_resolution() -> None:
    assert fit(PRO, ImageOptions(1792, 1024)) == ({"aspectRatio": "16:9", "imageSize": "1K"}, ())
    config, _ = fit(PRO, ImageOptions(3840, 2160))
    assert config == {"aspectRatio": "16:9", "imageSize": "4K"}
    assert fit(PRO, ImageOptions(2048, 2048))[0] == {"aspectRatio": "1:1", "imageSize": "2K"}
    assert fit(FLASH, ImageOptions(256, 256))[0] == {"aspectRatio": "1:1", "imageSize": "512"}
    assert fit(PRO, ImageOptions(256, 256))[0] == {"aspectRatio": "1:1", "imageSize": "1K"}
    assert fit(OLD, ImageOptions(2048, 2048))[0] == {"aspectRatio": "1:1"}
    assert fit(PRO, ImageOptions(16, 9, is_ratio=True))[0] == {"aspectRatio": "16:9"}
    assert fit(PRO) == (None, ())


def test_distant_ratio_is_warned() -> None:
    config, (loss,) = fit(PRO, ImageOptions(3000, 1000))
    assert config is not None
    assert config["aspectRatio"] == "21:9"
    assert loss.field == "size"
    assert "3000x1000 was replaced by 21:9" in loss.detail


def test_explicit_unsupported_resolution_is_refused() -> None:
    assert fit(PRO, ImageOptions(resolution="4K"))[0] == {"imageSize": "4K"}
    with pytest.raises(InvalidRequestError, match="it has 1K, 2K, 4K") as refused:
        fit(PRO, ImageOptions(resolution="512"))
    assert refused.value.param == "image_size"
    with pytest.raises(InvalidRequestError, match="one resolution only"):
        fit(OLD, ImageOptions(resolution="2K"))


def test_quality_becomes_largest_possible_resolution() -> None:
    assert fit(PRO, ImageOptions(quality="4K")) == ({"imageSize": "4K"}, ())
    config, (loss,) = fit(IMAGEN, ImageOptions(quality="4K"))
    assert config == {"imageSize": "2K"}
    assert loss == Loss("quality", f"{IMAGEN} returns 2K")
    assert fit(OLD, ImageOptions(quality="1K")) == (None, ())
    assert fit(OLD, ImageOptions(quality="2K"))[1][0].field == "quality"


def test_precedence_of_image_options() -> None:
    suffix = ImageOptions(16, 9, is_ratio=True, resolution="4K")
    assert fit(PRO, suffix=suffix)[0] == {"aspectRatio": "16:9", "imageSize": "4K"}
    said = ImageOptions(1024, 1024, quality="1K")
    assert fit(PRO, said, suffix=suffix)[0] == {"aspectRatio": "1:1", "imageSize": "1K"}
    own = {"aspect_ratio": "3:2", "imageSize": "2K", "personGeneration": "ALLOW_NONE"}
    config, _ = fit(PRO, None, suffix=suffix, image_config=own)
    assert config == {
        "aspectRatio": "3:2",
        "imageSize": "2K",
        "personGeneration": "ALLOW_NONE",
    }


def test_background_and_format() -> None:
    with pytest.raises(InvalidRequestError, match="auto or opaque"):
        fit(PRO, ImageOptions(background="transparent"))
    assert fit(PRO, ImageOptions(format="webp"))[1][0].field == "output_format"
    assert fit(IMAGEN, ImageOptions(format="jpeg")) == ({"mimeType": "image/jpeg"}, ())
    assert fit(PRO, ImageOptions(compression=50))[1][0].field == "output_compression"
    assert fit(PRO, ImageOptions(mask=True), images=2)[1][0].field == "mask"


def test_limits_of_reference_images() -> None:
    assert fit(PRO, images=14) == (None, ())
    with pytest.raises(InvalidRequestError, match="at most 14 images"):
        fit(PRO, images=15)
    with pytest.raises(InvalidRequestError, match="at most 3"):
        fit(OLD, images=4)
    with pytest.raises(InvalidRequestError, match="only generates new ones"):
        fit(IMAGEN, images=1)


def test_other_models_are_unchanged() -> None:
    config = {"aspect_ratio": "1:1"}
    assert fit("gpt-5", ImageOptions(7, 1), image_config=config) == (config, ())


@pytest.mark.parametrize(
    ("name", "base", "wish"),
    [
        (PRO, PRO, NO_IMAGE_OPTIONS),
        (f"{PRO}-16x9", PRO, ImageOptions(16, 9, is_ratio=True)),
        (f"{PRO}-4k", PRO, ImageOptions(resolution="4K")),
        (f"{PRO}-16x9-4K", PRO, ImageOptions(16, 9, is_ratio=True, resolution="4K")),
        (f"{PRO}-2k-9X16", PRO, ImageOptions(9, 16, is_ratio=True, resolution="2K")),
        (f"{PRO}-1k-4k", f"{PRO}-1k", ImageOptions(resolution="4K")),
        (f"{PRO}-0x9", f"{PRO}-0x9", NO_IMAGE_OPTIONS),
        ("gpt-4", "gpt-4", NO_IMAGE_OPTIONS),
    ],
)
def test_image_options_are_split_from_model_name(name: str, base: str, wish: ImageOptions) -> None:
    assert split(name) == (base, wish)
