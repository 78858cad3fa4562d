"""Writes the seeds that are no text: archives, tables of columns, and a chat in other encodings.

requires: pyarrow 26.0.1
writes: seeds/
"""

import pathlib
import zipfile

import pyarrow
import pyarrow.parquet

SEEDS = pathlib.Path(__file__).parent / "seeds"


def archive(path: str, files: dict[str, str]) -> None:
    # Stored, so that a changed byte is a changed text.
    with zipfile.ZipFile(SEEDS / path, "w", zipfile.ZIP_STORED) as out:
        for name, text in files.items():
            out.writestr(zipfile.ZipInfo(name), text)


def table(path: str, columns: dict[str, list], compression: str) -> None:
    pyarrow.parquet.write_table(pyarrow.table(columns), SEEDS / path, compression=compression)


for folder in ("slack", "whatsapp", "parquet", "kakaotalk"):
    (SEEDS / folder).mkdir(parents=True, exist_ok=True)

archive(
    "slack/export.zip",
    {
        "users.json": '[{"id": "U1", "name": "a"}, {"id": "U2", "name": "나래"}]',
        "general/2019-01-04.json": '[{"type": "message", "user": "U1", "ts": "1546624359.000100", '
        '"text": "<@U1> &lt;a <https://x|y>"}, {"type": "message", "user": "U2", "ts": "1546624360.000100", '
        '"thread_ts": "1546624360.000100", "reply_count": 1, "text": "b"}]',
    },
)
archive("whatsapp/chat.zip", {"_chat.txt": (SEEDS / "whatsapp/ios.txt").read_text()})
said = [[{"role": "user", "content": "안녕"}, {"role": "assistant", "content": "네"}]] * 3
table("parquet/messages.parquet", {"messages": said}, "snappy")
table("parquet/pairs.parquet", {"prompt": ["하나", "둘"], "response": ["셋", "넷"], "score": [1, 2]}, "zstd")
talk = (SEEDS / "kakaotalk/android.txt").read_bytes().decode()
(SEEDS / "kakaotalk/utf16.txt").write_bytes(("\ufeff" + talk).encode("utf-16-le"))
(SEEDS / "kakaotalk/cp949.txt").write_bytes(talk.encode("cp949"))
