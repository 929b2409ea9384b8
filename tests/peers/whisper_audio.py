"""Whisper's front end and text decoding in numpy: test code, no part of the product."""
import json
import wave

import numpy as np

RATE, FFT, HOP, MELS, FRAMES = 16000, 400, 160, 80, 3000


def read_wav(path) -> tuple[np.ndarray, int]:
    """Samples of a 16-bit file as float32 mono in -1..1, and the rate."""
    with wave.open(str(path)) as w:
        if w.getsampwidth() != 2:
            raise SystemExit(f"{path}: {8 * w.getsampwidth()}-bit samples, 16 expected")
        samples = np.frombuffer(w.readframes(w.getnframes()), "<i2").reshape(-1, w.getnchannels())
        return samples.mean(1).astype(np.float32) / 32768, w.getframerate()


def resample(x, source, target=RATE, zeros=24) -> np.ndarray:
    """Windowed-sinc resampling, band-limited to the lower of the two rates."""
    count = int(len(x) * target / source)
    cutoff = min(1.0, target / source)
    half = int(np.ceil(zeros / cutoff))
    at = np.arange(count) * (source / target)
    taps = np.floor(at).astype(int)[:, None] + np.arange(-half, half + 1)
    distance = (taps - at[:, None]) * cutoff
    weight = cutoff * np.sinc(distance) * np.cos(np.pi / 2 * np.clip(distance / zeros, -1, 1)) ** 2
    return (np.pad(x, half + 1)[np.clip(taps + half + 1, 0, len(x) + 2 * half + 1)] * weight).sum(1).astype(np.float32)


def _hz_to_mel(hz):
    """Slaney's scale: linear to 1 kHz, logarithmic above."""
    hz = np.asarray(hz, float)
    return np.where(hz < 1000, hz * 3 / 200, 15 + np.log(np.maximum(hz, 1e-3) / 1000) * 27 / np.log(6.4))


def _mel_to_hz(mel):
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def mel_filters() -> np.ndarray:
    """Triangles of equal area, [MELS, FFT/2+1]."""
    bins = np.linspace(0, RATE / 2, FFT // 2 + 1)
    edges = _mel_to_hz(np.linspace(_hz_to_mel(0), _hz_to_mel(RATE / 2), MELS + 2))
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rise, fall)) * (2 / (edges[2:] - edges[:-2]))[:, None]


def log_mel(samples) -> np.ndarray:
    """Features of up to 30 s at 16 kHz: float32 [1, 80, 3000]."""
    padded = np.zeros(FRAMES * HOP, np.float64)
    padded[: len(samples)] = samples[: len(padded)]
    padded = np.pad(padded, FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP][:FRAMES]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    log = np.log10(np.maximum(mel_filters() @ power.T, 1e-10))
    return ((np.maximum(log, log.max() - 8) + 4) / 4).astype(np.float32)[None]


def decode_text(ids, tokenizer) -> str:
    """Byte-level BPE ids to text; special tokens are left out."""
    vocab = {i: t for t, i in json.loads(tokenizer.read_text())["model"]["vocab"].items()}
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    byte_of = {chr(b): b for b in plain} | {chr(256 + k): b for k, b in enumerate(rest)}
    return bytes(byte_of[c] for i in ids if i in vocab for c in vocab[i]).decode("utf-8", "replace")
