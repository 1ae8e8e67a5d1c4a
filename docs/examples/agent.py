"""A remote agent in thirty lines: `AGENT_SECRET=whsec_… python docs/examples/agent.py 8700`, standard library only."""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = base64.b64decode(os.environ.get("AGENT_SECRET", "").removeprefix("whsec_"))  # noqa: TID251 - a program of its own


def is_genuine(headers, body):
    """Check the Standard Webhooks signature and that the message is younger than five minutes."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    fresh = abs(time.time() - int(headers["webhook-timestamp"] or 0)) < 300
    return fresh and any(hmac.compare_digest(expected, given) for given in headers["webhook-signature"].split())


def answer(task):
    """Return the output: one value for each facet that `outputSchema` asks for. This is where your agent works."""
    company = task["inputs"].get("company_information", {}).get("name", "our company")
    return {
        "output": {"post_copy": f"{company}: {task['objective']}"},
        "usage": {"promptTokens": 0, "completionTokens": 0},
    }


class Agent(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        genuine = not SECRET or (self.headers["webhook-signature"] and is_genuine(self.headers, body))
        reply = json.dumps(answer(json.loads(body)) if genuine else {"error": "bad signature"}).encode()
        self.send_response(200 if genuine else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8700), Agent)
    print(f"agent at http://127.0.0.1:{server.server_address[1]}/", flush=True)
    server.serve_forever()
