"""Attestations: what a snapshot is, signed, for programs that trust nobody's word.

A statement of in-toto (v1) about the snapshot's file, in an envelope of DSSE (v1.0.0). Both are
JSON; https://github.com/in-toto/attestation and https://github.com/secure-systems-lab/dsse.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

from sandbox.core.values import Value

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:bimodal-sandbox:snapshot:v1"
PAYLOAD = "application/vnd.in-toto+json"
# What a snapshot is before the law; never anonymous, since the key exists.
Label = Literal["raw-like", "pseudonymised"]


class Signature(Value):
    """One signature: the name of its key, and the signature in base64."""

    keyid: str
    sig: str


class Envelope(Value):
    """A DSSE envelope; the payload is in base64. `as_json` gives the names that DSSE wants."""

    payload: str
    payload_type: str
    signatures: tuple[Signature, ...]

    def content(self) -> bytes:
        """Return the statement as it was signed."""
        return base64.b64decode(self.payload)

    def as_json(self) -> str:
        """Return the envelope as one line of JSON."""
        return json.dumps(
            {
                "payloadType": self.payload_type,
                "payload": self.payload,
                "signatures": [s.model_dump() for s in self.signatures],
            }
        )


def statement(name: str, digest: str, predicate: Mapping[str, Any]) -> bytes:
    """Return the statement about the file `name` with the SHA-256 `digest`."""
    content = {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": digest}}],
        "predicateType": PREDICATE,
        "predicate": predicate,
    }
    return json.dumps(content, sort_keys=True, ensure_ascii=False).encode()


def signed(content: bytes, key_id: str, sign: Callable[[bytes], bytes]) -> Envelope:
    """Return `content` in an envelope; `sign` gets what DSSE has one sign."""
    signature = base64.b64encode(sign(to_sign(PAYLOAD, content))).decode()
    return Envelope(
        payload=base64.b64encode(content).decode(),
        payload_type=PAYLOAD,
        signatures=(Signature(keyid=key_id, sig=signature),),
    )


def key_name(public_key: str) -> str:
    """Return the name of a public key in PEM: 16 hex digits of its SHA-256."""
    return hashlib.sha256(public_key.encode()).hexdigest()[:16]


def to_sign(kind: str, content: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding: what a signature really covers."""
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(content), content)
