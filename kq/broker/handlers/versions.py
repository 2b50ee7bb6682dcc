"""ApiVersions, versions 0 to 4.

- The keys are those that the router has handlers for, at the versions of Kafka 4.3.
- From v3 a client names its software; a name that breaks KIP-511's pattern is INVALID_REQUEST, and the connection
  lives.
- Features whose minimum is 0 appear in `supported_features` only from v4 (KAFKA-17011).
- An unknown version is answered by the router.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kq.broker.router import Call
from kq.errors import Err
from kq.wire.apis.versions import API_VERSIONS

if TYPE_CHECKING:
    from kq.broker.broker import Broker

SOFTWARE_FROM = 3
_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


def api_versions(broker: Broker, call: Call) -> Any:
    body = call.body
    if call.version >= SOFTWARE_FROM:
        name, version = body.client_software_name, body.client_software_version
        if not (_SOFTWARE.fullmatch(name) and _SOFTWARE.fullmatch(version)):
            return API_VERSIONS.Response(error_code=Err.INVALID_REQUEST)
        call.session.software = f"{name} {version}"
    entry = API_VERSIONS.Response.ApiKey
    return API_VERSIONS.Response(
        api_keys=[
            entry(api_key=api.key, min_version=api.min_version, max_version=api.max_version)
            for api in sorted(broker.router.apis, key=lambda api: api.key)
        ],
        finalized_features_epoch=0,
    )


HANDLERS = {API_VERSIONS: api_versions}
