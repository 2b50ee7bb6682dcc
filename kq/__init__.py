"""kq: Kafka without the JVM."""

import sys

__version__ = "0.1.0"

if sys.platform == "win32":
    raise ImportError("kq runs on Linux and macOS; on Windows install it in WSL (https://aka.ms/wsl)")
