"""The Lease endpoint of a Kubernetes API server, as far as leader election uses it: GET, POST and PUT of one namespace,
with `resourceVersion`, 409 and bearer tokens. Prints its port."""

import json
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LEASES = "/apis/coordination.k8s.io/v1/namespaces/monitoring/leases"
certificate, key, token = sys.argv[1:]
leases, lock = {}, threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def status(self, status, message):
        self.answer(status, {"kind": "Status", "code": status, "message": message})

    def handle_lease(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")
        if self.headers.get("Authorization") != f"Bearer {token}":
            return self.status(401, "Unauthorized")
        name = body["metadata"]["name"] if self.command == "POST" else self.path.rpartition("/")[2]
        if self.path != LEASES + ("" if self.command == "POST" else f"/{name}"):
            return self.status(404, "not found")
        with lock:
            known = leases.get(name)
            if self.command == "POST" and known:
                return self.status(409, "already exists")
            if self.command != "POST" and not known:
                return self.status(404, "not found")
            if self.command == "PUT" and body["metadata"].get("resourceVersion") != known["metadata"]["resourceVersion"]:
                return self.status(409, "the object has been modified")
            if self.command != "GET":
                version = int(known["metadata"]["resourceVersion"]) + 1 if known else 1
                body["metadata"]["resourceVersion"] = str(version)
                leases[name] = body
            self.answer(200 if self.command != "POST" else 201, leases[name])

    do_GET = do_POST = do_PUT = handle_lease

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        """A client that was killed."""


server = Server(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
