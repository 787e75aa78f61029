"""A certificate made for one run, so that `wss://` works without any setup."""

import ssl
from pathlib import Path

from livehandle_proto.errors import LiveHandleError


def fresh_certificate(host: str, ca_file: Path) -> ssl.SSLContext:
    """Return a server context for `host`, and write the authority to trust to `ca_file`.

    Raises `config.invalid` where the library that makes certificates is not installed.
    """
    try:
        import trustme  # an extra, needed here alone
    except ImportError as error:
        raise LiveHandleError(
            "config.invalid", "--tls needs a library: run pip install trustme."
        ) from error
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    names = dict.fromkeys([host, "localhost", "127.0.0.1", "::1"])
    authority.issue_cert(*names).configure_cert(context)
    return context
