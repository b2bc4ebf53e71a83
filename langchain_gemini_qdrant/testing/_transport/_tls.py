"""A certificate for localhost, made anew by each emulator: no key is shipped, none is trusted."""

from __future__ import annotations

import datetime as dt
import ipaddress
import shutil
import ssl
import tempfile
import weakref
from pathlib import Path

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
except ImportError as error:
    _message = (
        "GeminiEmulator(tls=True) needs cryptography: "
        "pip install 'langchain-gemini-qdrant[testing]'"
    )
    raise ImportError(_message) from error

_DAYS = 30


class Identity:
    """A key and its certificate, in a folder that goes with this object.

    Attributes:
        certificate: The file, in PEM, that a client has to trust.
    """

    def __init__(self, host: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self._key = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self._pem = _certificate(key, host).public_bytes(serialization.Encoding.PEM)
        self._folder = Path(tempfile.mkdtemp(prefix="gemini-emulator-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self.certificate = self._folder / "certificate.pem"
        self.certificate.write_bytes(self._pem)

    def pair(self) -> tuple[bytes, bytes]:
        """The key and its certificate."""
        return self._key, self._pem

    def context(self) -> ssl.SSLContext:
        key = self._folder / "key.pem"
        key.write_bytes(self._key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        return context


def _certificate(key: ec.EllipticCurvePrivateKey, host: str) -> x509.Certificate:
    """A certificate that has signed itself, with all that Python 3.13 asks of one."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Gemini emulator")])
    now = dt.datetime.now(dt.timezone.utc)
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    addresses = {ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")}
    try:
        addresses.add(ipaddress.ip_address(host))
    except ValueError:  # a name
        names.append(x509.DNSName(host))
    names += [x509.IPAddress(address) for address in addresses]
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
