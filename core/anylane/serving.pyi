from anylane_backends.asgi.application import AsgiApplication as AsgiApplication
from anylane_backends.hosting.cli.commands import main as main
from anylane_backends.hosting.client_lane import SocketLane as SocketLane
from anylane_backends.hosting.process import run as run
from anylane_backends.hosting.server import Server as Server
from anylane_backends.hosting.server import serve as serve
from anylane_backends.mounts.asgi import AsgiMount as AsgiMount
from anylane_backends.mounts.wsgi import WsgiMount as WsgiMount
