"""Signs of an e-mail address or a phone number in the bytes of a JSON text, in one pass."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from polku.kernels.compiled import brief

#: Bytes at which a sign may begin, or end: ``"`` ``%`` ``+`` ``@`` ``\\`` and the letters of *puh* and *nnykk*.
_BEGINS = np.zeros(256, np.bool_)
_BEGINS[[ord(c) for c in '"%+@\\hHkK']] = True
#: The last three letters of keys under which phone numbers stand (phone, number, mobile, tel, gsm, cell), as numbers.
_ENDS = np.array([ord(w[0]) << 16 | ord(w[1]) << 8 | ord(w[2]) for w in ("one", "ber", "ile", "tel", "gsm", "ell")])


@brief
def _signs(data, begins, ends):  # type: ignore[no-untyped-def]
    n = len(data)
    for i in range(n):
        c = data[i]
        if not begins[c]:
            continue
        if c == 34:  # a quotation mark behind the end of a key
            k = i
            while k > 3 and (data[k - 1] == 95 or data[k - 1] == 32 or data[k - 1] == 45 or data[k - 1] == 46):
                k -= 1  # Phone_
            if k >= 3:
                code = (data[k - 3] | 32) << 16 | (data[k - 2] | 32) << 8 | (data[k - 1] | 32)
                for end in ends:
                    if code == end:
                        return True
        elif c == 64:
            return True
        elif c == 43:  # +358
            if i + 1 < n and 48 <= data[i + 1] <= 57:
                return True
        elif c == 37:  # %40, %2b
            if i + 2 < n:
                a, b = data[i + 1], data[i + 2]
                if (a == 52 and b == 48) or (a == 50 and (b | 32) == 98):
                    return True
        elif c == 92:  # a letter of ASCII written as \\u00..
            if i + 3 < n and data[i + 1] == 117 and data[i + 2] == 48 and data[i + 3] == 48:
                return True
        elif c | 32 == 104:  # puh
            if i >= 2 and data[i - 1] | 32 == 117 and data[i - 2] | 32 == 112:
                return True
        elif i >= 4 and (  # nnykk
            data[i - 1] | 32 == 107 and data[i - 2] | 32 == 121 and data[i - 3] | 32 == 110 and data[i - 4] | 32 == 110
        ):
            return True
    return False


def signs(body: bytes | npt.NDArray[np.uint8]) -> bool:
    """Whether the bytes hold ``@``, ``+`` before a digit, these percent-encoded or as ``\\u00``, or the name of a key
    under which phone numbers stand. There may be one without an address, never an address without one.

    >>> signs(b'{"event": "page", "n": 1}'), signs(b'{"Phone_": "0401234567"}'), signs(b'{"a": "anna%40example.fi"}')
    (False, True, True)
    """
    data = np.frombuffer(body, np.uint8) if isinstance(body, bytes) else body
    return bool(_signs(data, _BEGINS, _ENDS))
