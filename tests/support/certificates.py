"""A certificate that nobody has signed but itself."""

from __future__ import annotations

import datetime
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.web.client import BrowserLikePolicyForHTTPS
from zope.interface import implementer


def certificate(*names: str, days: int = 1) -> SelfSigned:
    """Return a certificate for ``names``, and its key; it is good for so many ``days``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    alternatives: list[Any] = []
    for text in names:
        try:
            alternatives.append(x509.IPAddress(ip_address(text)))
        except ValueError:
            alternatives.append(x509.DNSName(text))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=10))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return SelfSigned(key, made)


@implementer(IOpenSSLTrustRoot, IOpenSSLServerConnectionCreator)
class SelfSigned:
    """A certificate and its key, and the root of trust for it.

    Twisted's own helpers go through parts of pyOpenSSL that are deprecated.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey, made: x509.Certificate) -> None:
        self.key = key
        self.made = made

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        """Return a server's side."""
        context = SSL.Context(SSL.TLS_METHOD)
        context.use_privatekey(self.key)
        context.use_certificate(self.made)
        return SSL.Connection(context, None)

    def _addCACertsToContext(self, context: SSL.Context) -> None:
        store = context.get_cert_store()
        assert store is not None
        store.add_cert(X509.from_cryptography(self.made))


def trusting(signed: SelfSigned) -> BrowserLikePolicyForHTTPS:
    """Return a policy that trusts ``signed`` and nothing else."""
    return BrowserLikePolicyForHTTPS(signed)
