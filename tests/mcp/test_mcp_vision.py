"""The eight tools: what they take, what is looked at, and what a model is asked."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from antigravity.interfaces.transport import FetchedFile
from antigravity.ir.errors import InvalidRequestError
from antigravity.mcp.vision.files import FileRefusedError
from antigravity.mcp.vision.media_sources import MediaSources
from antigravity.mcp.vision.tools import Vision
from antigravity.mcp.vision.vision_request import VisionRequest
from antigravity.mcp.vision.zai import ZaiVision, parse_response
from tests.mcp.fake_transport import RelayTarget, Response
from tests.mcp.fixtures import Client, request, result

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 100
MP4 = b"\0\0\0\x20ftypisom" + b"\0" * 100
MOV = b"\0\0\0\x08wide\0\0\0\x08mdat" + b"\0" * 100
MIB = 1024 * 1024

#: Name, required and optional arguments.
TABLE = {
    "ui_to_artifact": (["image_source", "output_type", "prompt"], []),
    "extract_text_from_screenshot": (["image_source", "prompt"], ["language_hint"]),
    "diagnose_error_screenshot": (["image_source", "prompt"], ["context"]),
    "understand_technical_diagram": (["image_source", "prompt"], ["diagram_type"]),
    "analyze_data_visualization": (["image_source", "prompt"], ["analysis_focus"]),
    "ui_diff_check": (["expected_image_source", "actual_image_source", "prompt"], []),
    "analyze_image": (["image_source", "prompt"], []),
    "analyze_video": (["video_source", "prompt"], []),
}


def data(content: bytes, mime_type: str = "image/png") -> str:
    return f"data:{mime_type};base64,{base64.b64encode(content).decode()}"


class Fetcher:
    """Has the files of the web."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"https://x/a.png": PNG}

    def fetch(self, url: str) -> Deferred[FetchedFile]:
        if url not in self.files:
            return fail(InvalidRequestError("x is not on the public Internet"))
        return succeed(FetchedFile("image/png", self.files[url]))


class VisionClient(Client):
    """A client of the tools, and somebody who says what he was shown."""

    def __init__(self, *roots: Path) -> None:
        super().__init__()
        self.fetcher = Fetcher()
        self.seen: list[VisionRequest] = []
        self.principals: list[str] = []
        self.says = "I see."
        vision = Vision()
        sources = MediaSources(self.fetcher, roots, _at_once)  # type: ignore[arg-type]
        vision.use(sources, self._see)
        self.endpoint.registry.replace([vision.catalog])

    def _see(self, sight: VisionRequest, principal: str) -> Deferred[str]:
        self.seen.append(sight)
        self.principals.append(principal)
        return succeed(self.says)

    def look(self, name: str = "analyze_image", **arguments: str) -> dict[str, Any]:
        if not any(key.endswith("source") for key in arguments):
            arguments["image_source"] = data(PNG)
        params = {"name": name, "arguments": {"prompt": "What is it?", **arguments}}
        found: dict[str, Any] = self.ask("tools/call", params)["result"]
        return found

    def text(self, **arguments: str) -> str:
        """Return what is said; it must be an error."""
        found = self.look(**arguments)
        assert found["isError"] is True
        return str(found["content"][0]["text"])


def _at_once(function: Any, *arguments: Any) -> Deferred[Any]:
    try:
        return succeed(function(*arguments))
    except FileRefusedError as error:
        return fail(error)


@pytest.fixture
def eyes(tmp_path: Path) -> VisionClient:
    client = VisionClient(tmp_path)
    client.initialize()
    return client


def test_vision_lists_documented_tools(eyes: VisionClient) -> None:
    tools = eyes.ask("tools/list")["result"]["tools"]
    found = {}
    for tool in tools:
        schema = tool["inputSchema"]
        optional = [name for name in schema["properties"] if name not in schema["required"]]
        found[tool["name"]] = (schema["required"], optional)
        assert tool["description"]
    assert found == TABLE
    kinds = tools[0]["inputSchema"]["properties"]["output_type"]["enum"]
    assert kinds == ["code", "prompt", "spec", "description"]


def test_vision_tools_work_in_stateless_revision() -> None:
    eyes = VisionClient()
    params = {"name": "analyze_image", "arguments": {"image_source": data(PNG), "prompt": "p"}}
    replies: list[Any] = []
    eyes.modern("tools/call", params).addCallback(replies.append)
    assert result(replies[0])["content"] == [{"type": "text", "text": "I see."}]


def test_model_gets_named_image_with_detected_type(eyes: VisionClient) -> None:
    assert eyes.look(image_source=data(JPEG, "image/png"))["content"][0]["text"] == "I see."
    (picture,) = eyes.seen[0].media
    assert (picture.kind, picture.mime_type) == ("image", "image/jpeg")  # whatever was said
    assert base64.b64decode(picture.source.data) == JPEG  # type: ignore[union-attr]
    assert eyes.seen[0].prompt == "What is it?"
    assert eyes.principals == ["alice"]


def test_two_images_are_sent_in_order(eyes: VisionClient) -> None:
    eyes.look(
        "ui_diff_check", expected_image_source=data(PNG), actual_image_source="https://x/a.png"
    )
    eyes.look("ui_diff_check", expected_image_source=data(JPEG), actual_image_source=data(PNG))
    assert [m.mime_type for m in eyes.seen[1].media] == ["image/jpeg", "image/png"]
    assert len(eyes.seen[0].media) == 2


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        ("ui_to_artifact", "output_type", "spec"),
        ("extract_text_from_screenshot", "language_hint", "COBOL {x}"),
        ("diagnose_error_screenshot", "context", "npm install"),
        ("understand_technical_diagram", "diagram_type", "sequence"),
        ("analyze_data_visualization", "analysis_focus", "outliers"),
    ],
)
def test_every_argument_is_in_prompt(
    eyes: VisionClient, name: str, argument: str, value: str
) -> None:
    eyes.look(name, **{argument: value})
    wanted = "a specification" if argument == "output_type" else value
    assert eyes.seen[0].prompt.startswith("What is it?\n\n")
    assert wanted in eyes.seen[0].prompt


def test_video_types_are_detected(eyes: VisionClient) -> None:
    for film, mime_type in ((MP4, "video/mp4"), (MOV, "video/quicktime")):
        eyes.look("analyze_video", video_source=data(film, "video/mp4"))
        assert eyes.seen[-1].media[0].mime_type == mime_type
        assert eyes.seen[-1].media[0].kind == "video"
    assert "mp4" in eyes.text(name="analyze_video", video_source=data(PNG))
    assert "png" in eyes.text(image_source=data(MP4))


def test_image_size_limit_is_exact(eyes: VisionClient) -> None:
    just = PNG + b"\0" * (5 * MIB - len(PNG))
    assert eyes.look(image_source=data(just))["isError"] is False
    assert "5 MiB" in eyes.text(image_source=data(just + b"\0"))
    assert "5 MiB" in eyes.text(image_source=data(just + b"\0" * MIB))
    eyes.fetcher.files["https://x/large.png"] = just + b"\0"
    assert "5 MiB" in eyes.text(image_source="https://x/large.png")
    film = MP4 + b"\0" * (8 * MIB - len(MP4))
    assert eyes.look("analyze_video", video_source=data(film))["isError"] is False
    assert "8 MiB" in eyes.text(name="analyze_video", video_source=data(film + b"\0"))


def test_files_below_root_are_accepted(eyes: VisionClient, tmp_path: Path) -> None:
    file = tmp_path / "a b.png"
    file.write_bytes(PNG)
    for source in (str(file), f" {file}\n", file.as_uri(), f"file://localhost{file}"):
        assert eyes.look(image_source=source)["isError"] is False
    assert "file not found" in eyes.text(image_source=str(tmp_path / "none.png"))
    (tmp_path / "large.png").write_bytes(PNG + b"\0" * (5 * MIB))
    assert "5 MiB" in eyes.text(image_source=str(tmp_path / "large.png"))
    assert "gateway's machine" in eyes.text(image_source="file://other/a.png")
    assert "configuration allows" in eyes.text(image_source="/etc/passwd")


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("https://inside/a.png", "public Internet"),
        ("data:image/png,abc", "base64"),
        ("data:image/png;base64,@@@", "base64"),
        ("ftp://x/a.png", "must be absolute"),
        ("", "$.image_source"),
        ("file://[::1", "malformed"),
        ("file:///tmp/a.png?x=1", "file:///folder/file"),
        ("file:///tmp/a.png#x", "file:///folder/file"),
        ("file:////etc/passwd", "configuration allows"),
        ("file:///%2e%2e/etc/passwd", "'..'"),
        ("file:///tmp/%00.png", "configuration allows"),
        ("FILE:///etc/passwd", "configuration allows"),
        ("/proc/self/environ", "configuration allows"),
        ("../../etc/passwd", "must be absolute"),
        ("~/.ssh/id_rsa", "must be absolute"),
        ("\\\\server\\share\\a.png", "must be absolute"),
        ("gopher://127.0.0.1:6379/_x", "must be absolute"),
        ("jar:http://x!/a.png", "must be absolute"),
        ("HTTP://inside/a.png", "public Internet"),
        ("data:image/png;base64," + "A" * (8 * MIB), "5 MiB"),
        ("data:text/plain;base64,aGVsbG8=", "png, jpg or jpeg"),
    ],
)
def test_unusable_source_is_a_tool_error(eyes: VisionClient, source: str, word: str) -> None:
    assert word in eyes.text(image_source=source)
    assert eyes.seen == []


def test_paths_with_null_bytes_are_rejected(eyes: VisionClient, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    for source in (f"{tmp_path}/a.png\0", f"file://{tmp_path}/a.png%00"):
        assert "cannot be opened" in eyes.text(image_source=source)
    assert eyes.seen == []


def test_links_below_root_are_rejected(eyes: VisionClient, tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("/etc/hostname")
    (tmp_path / "folder").symlink_to("/etc")
    for source in ("a.png", "folder/hostname"):
        assert "is a link" in eyes.text(image_source=str(tmp_path / source))
    assert "'..'" in eyes.text(image_source=f"{tmp_path}/x/../../etc/hostname")


def test_empty_model_response_is_an_error(eyes: VisionClient) -> None:
    eyes.says = " "
    assert "returned no text" in eyes.text()


def test_invalid_arguments_are_rejected(eyes: VisionClient) -> None:
    assert "output_type" in eyes.text(name="ui_to_artifact")
    assert "poem" in eyes.text(name="ui_to_artifact", output_type="poem")


# z.ai


def zai(*answers: Response | Exception, key: str = "KEY") -> tuple[RelayTarget, VisionClient]:
    remote = RelayTarget(*answers)
    eyes = VisionClient()
    vision = Vision()
    back = ZaiVision(remote, "https://z/chat", key, "glm-4.6v", 60.0)
    vision.use(MediaSources(eyes.fetcher, (), _at_once), back.ask)  # type: ignore[arg-type]
    eyes.endpoint.registry.replace([vision.catalog])
    eyes.initialize()
    return remote, eyes


def said(text: str) -> Response:
    return Response(body=json.dumps({"choices": [{"message": {"content": text}}]}).encode())


def test_zai_request_has_documented_form() -> None:
    remote, eyes = zai(said("A cat."))
    assert eyes.look()["content"][0]["text"] == "A cat."
    body = json.loads(remote.requests[0].body)
    (system, user) = body.pop("messages")
    assert body == {
        "model": "glm-4.6v",
        "thinking": {"type": "enabled"},
        "temperature": 0.8,
        "top_p": 0.6,
        "max_tokens": 32768,
        "stream": False,
    }
    assert system["role"] == "system"
    picture, text = user["content"]
    assert picture == {"type": "image_url", "image_url": {"url": data(PNG)}}
    assert text == {"type": "text", "text": "What is it?"}
    assert remote.headers["authorization"] == "Bearer KEY"
    assert remote.headers["x-title"]
    assert remote.headers["accept-language"] == "en-US,en"


def test_zai_request_contains_video() -> None:
    remote, eyes = zai(said("A film."))
    eyes.look("analyze_video", video_source=data(MP4))
    user = json.loads(remote.requests[0].body)["messages"][1]
    assert user["content"][0] == {
        "type": "video_url",
        "video_url": {"url": data(MP4, "video/mp4")},
    }


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (Response(401, body=b'{"error": {"message": "KEY is wrong"}}'), "check proxy.zai.api_key"),
        (Response(429, body=b'{"error": {"message": "slow down"}}'), "429: slow down"),
        (Response(500, body=b"<html>"), "500"),
        (Response(200, body=b"<html>"), "malformed response"),
        (Response(200, body=b'{"choices": []}'), "returned no text"),
        (InvalidRequestError("could not connect to z:443"), "connect"),
    ],
)
def test_zai_failures_are_reported_without_key(answer: Response | Exception, word: str) -> None:
    _, eyes = zai(answer)
    text = eyes.text()
    assert word in text
    assert "KEY" not in text


def test_missing_zai_key_error_names_setting() -> None:
    remote, eyes = zai(key="")
    assert "proxy.zai.api_key" in eyes.text()
    assert remote.requests == []


def test_cancelled_call_cancels_zai_request() -> None:
    remote, eyes = zai()
    remote.hold = True
    params = {"name": "analyze_image", "arguments": {"image_source": data(PNG), "prompt": "p"}}
    eyes.http("POST", request("tools/call", params, 5)).addErrback(lambda failure: None)
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}
    eyes.post(cancel)
    assert remote.cancelled == 1


def test_zai_response_without_text_is_empty() -> None:
    assert parse_response(b'{"choices": [{"message": {"content": null}}]}') == ""
    assert "KEY" not in repr(ZaiVision(RelayTarget(), "u", "KEY", "m", 1.0))
