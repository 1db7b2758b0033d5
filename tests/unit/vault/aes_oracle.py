"""AES-256-GCM after FIPS 197 and SP 800-38D, in plain Python: a second opinion for tests."""

from collections.abc import Iterator


def _make_sbox() -> bytes:
    exponents, logarithms, value = [0] * 256, [0] * 256, 1
    for index in range(255):
        exponents[index], logarithms[value] = value, index
        value ^= (value << 1) ^ (0x11B if value & 0x80 else 0)
        value &= 0xFF
    box = bytearray(256)
    for byte in range(256):
        inverse = exponents[(255 - logarithms[byte]) % 255] if byte else 0
        spread = inverse
        for shift in range(1, 5):
            spread ^= ((inverse << shift) | (inverse >> (8 - shift))) & 0xFF
        box[byte] = spread ^ 0x63
    return bytes(box)


SBOX = _make_sbox()


def _double(byte: int) -> int:
    return ((byte << 1) ^ (0x1B if byte & 0x80 else 0)) & 0xFF


def _round_keys(key: bytes) -> list[bytes]:
    words = [key[start : start + 4] for start in range(0, 32, 4)]
    constant = 1
    for index in range(8, 60):
        word = words[-1]
        if index % 8 == 0:
            turned = bytes(SBOX[byte] for byte in word[1:] + word[:1])
            word = bytes([turned[0] ^ constant]) + turned[1:]
            constant = _double(constant)
        elif index % 8 == 4:
            word = bytes(SBOX[byte] for byte in word)
        words.append(bytes(a ^ b for a, b in zip(words[index - 8], word, strict=True)))
    return [b"".join(words[start : start + 4]) for start in range(0, 60, 4)]


def _encrypt_block(keys: list[bytes], block: bytes) -> bytes:
    state = [a ^ b for a, b in zip(block, keys[0], strict=True)]
    for number in range(1, 15):
        state = [SBOX[byte] for byte in state]
        state = [state[(index + 4 * (index % 4)) % 16] for index in range(16)]
        if number < 14:
            mixed = []
            for start in range(0, 16, 4):
                column = state[start : start + 4]
                for row in range(4):
                    a, b, c, d = (column[(row + step) % 4] for step in range(4))
                    mixed.append(_double(a) ^ _double(b) ^ b ^ c ^ d)
            state = mixed
        state = [a ^ b for a, b in zip(state, keys[number], strict=True)]
    return bytes(state)


def _multiply(x: int, y: int) -> int:
    result = 0
    for bit in range(127, -1, -1):
        if (y >> bit) & 1:
            result ^= x
        x = (x >> 1) ^ (0xE1 << 120 if x & 1 else 0)
    return result


def _ghash(subkey: int, data: bytes) -> int:
    total = 0
    for start in range(0, len(data), 16):
        block = int.from_bytes(data[start : start + 16].ljust(16, b"\0"), "big")
        total = _multiply(total ^ block, subkey)
    return total


def _stream(keys: list[bytes], nonce: bytes, length: int) -> Iterator[int]:
    for counter in range(2, 2 + (length + 15) // 16):
        yield from _encrypt_block(keys, nonce + counter.to_bytes(4, "big"))


def encrypt(key: bytes, nonce: bytes, plain: bytes, bound: bytes) -> bytes:
    """Ciphertext and 16-byte tag of `plain`, bound to `bound`, under a 32-byte key."""
    keys = _round_keys(key)
    stream = _stream(keys, nonce, len(plain))
    box = bytes(a ^ b for a, b in zip(plain, stream, strict=False))
    padded = bound.ljust(-(-len(bound) // 16) * 16, b"\0") + box.ljust(
        -(-len(box) // 16) * 16, b"\0"
    )
    lengths = (len(bound) * 8).to_bytes(8, "big") + (len(box) * 8).to_bytes(8, "big")
    subkey = int.from_bytes(_encrypt_block(keys, bytes(16)), "big")
    mask = int.from_bytes(_encrypt_block(keys, nonce + b"\0\0\0\1"), "big")
    return box + (_ghash(subkey, padded + lengths) ^ mask).to_bytes(16, "big")
