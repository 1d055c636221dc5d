from anylane_backends.serving import Server as Server
from anylane_backends.serving import serve as serve
