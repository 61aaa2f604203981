"""``python -m demo_site.broker PORT``: a Redis without a server to install.

It is fakeredis behind a socket. What it holds is gone when it ends, and it is as fast as Python: good
enough for a demo. A real site uses Redis or RabbitMQ.
"""

import sys

from fakeredis import TcpFakeServer

if __name__ == "__main__":
    TcpFakeServer(("127.0.0.1", int(sys.argv[1]))).serve_forever()
