#!/usr/bin/env python3
"""Sends every request that the gateway documents, and holds every answer against the document.

usage: gateway_document.py URL

URL is a gateway before a new server. The requests are the examples of /openapi.json, in its order, which
is that of somebody who tries them one after another. Each must be answered with 200, but for those
of REFUSED, with the media type and a body of the schema that the document gives; and each path must be
refused as the document says without a token. Exit 0 when all is as documented.
"""
import base64
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT_SECONDS = 60
# What cannot work in this order: the database is loaded already.
REFUSED = {"/db/{database}/load": 400}
KNOWN_WORDS = {"$ref", "type", "format", "contentEncoding", "properties", "additionalProperties",
               "maxProperties", "items", "description", "required"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool}

problems = []


def problem(what, text):
    problems.append(f"{what}: {text}")


def type_fits(name, value):
    if name in ("integer", "number"):
        return isinstance(value, int if name == "integer" else (int, float)) and \
            not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def text_fits(schema, value):
    if schema.get("contentEncoding") == "base64":
        return base64.b64encode(base64.b64decode(value)).decode() == value
    if schema.get("format") in ("double", "float"):
        return value in ("NaN", "Infinity", "-Infinity")
    return re.fullmatch("-?[0-9]+", value) if "format" in schema else True


def misfit(document, schema, value, place):
    """Where and how value does not fit the schema; None if it does."""
    if set(schema) - KNOWN_WORDS:
        return f"{place}: words that nobody checks: {set(schema) - KNOWN_WORDS}"
    if "$ref" in schema:
        return misfit(document, resolve(document, schema["$ref"]), value, place)
    types = schema.get("type", [])
    if not any(type_fits(t, value) for t in ([types] if isinstance(types, str) else types)):
        return f"{place}: {value!r} is no {types}"
    if isinstance(value, str) and not text_fits(schema, value):
        return f"{place}: {value!r} is no {schema}"
    if isinstance(value, dict):
        for name in schema.get("required", []):
            if name not in value:
                return f"{place}: {name} is missing"
        for name, inner in value.items():
            if name not in schema["properties"]:
                return f"{place}: {name} is not documented"
            found = misfit(document, schema["properties"][name], inner, f"{place}.{name}")
            if found:
                return found
    if isinstance(value, list):
        for number, inner in enumerate(value):
            found = misfit(document, schema["items"], inner, f"{place}[{number}]")
            if found:
                return found
    return None


def resolve(document, ref):
    for part in ref.split("/")[1:]:
        document = document[part]
    return document


class Gateway:
    def __init__(self, url):
        self.url, self.token = url, ""

    def send(self, method, path, body=None, accept="application/json", token=None):
        """Status, media type and text of the answer."""
        token = self.token if token is None else token
        headers = {"Accept": accept}
        if token:
            headers["Authorization"] = "Bearer " + token
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return answer.status, answer.headers.get_content_type(), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers.get_content_type(), error.read().decode()


def example(path, operation):
    """The path and the body of an operation's example."""
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}",
                                urllib.parse.quote(parameter["example"], safe=""))
    body = operation.get("requestBody")
    return path, body and body["content"]["application/json"]["example"]


def check_answer(document, operation, what, answer):
    """Whether an answer is one that the operation documents."""
    status, media_type, text = answer
    if str(status) not in operation["responses"]:
        problem(what, f"status {status} is not documented: {text[:200]}")
        return
    response = operation["responses"][str(status)]
    response = resolve(document, response["$ref"]) if "$ref" in response else response
    if media_type not in response["content"]:
        problem(what, f"media type {media_type} is not documented")
        return
    schema = response["content"][media_type].get("schema")
    if not schema:
        return
    lines = text.splitlines() if media_type == "application/x-ndjson" else [text]
    for line in lines:
        found = misfit(document, schema, json.loads(line), "answer")
        if found:
            problem(what, found)


def note_token(gateway, path, answer):
    if path == "/login" or path.startswith("/db/use/"):
        gateway.token = json.loads(answer[2]).get("token", gateway.token)


def check_operation(gateway, document, method, path, operation):
    what = f"{method} {path}"
    target, body = example(path, operation)
    needs_login = "security" not in operation
    if needs_login:
        answer = gateway.send(method, target, body, token="wrong")
        check_answer(document, operation, what + " without a token", answer)
        if answer[0] not in (401, 403):
            problem(what, f"status {answer[0]} without a token")
    if "application/x-ndjson" in operation["responses"]["200"]["content"]:
        answer = gateway.send(method, target, body, accept="application/x-ndjson")
        check_answer(document, operation, what + " by lines", answer)
        if answer[:2] != (200, "application/x-ndjson"):
            problem(what, f"by lines: {answer[:2]}")
    answer = gateway.send(method, target, body)
    check_answer(document, operation, what, answer)
    if answer[0] != REFUSED.get(path, 200):
        problem(what, f"status {answer[0]}: {answer[2][:200]}")
    note_token(gateway, path, answer)


def main():
    gateway = Gateway(sys.argv[1])
    document = json.loads(gateway.send("GET", "/openapi.json")[2])
    count = 0
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            check_operation(gateway, document, verb.upper(), path, operation)
            count += 1
    print("\n".join(problems))
    print(f"{count} requests")
    return 1 if problems or count < 80 else 0


sys.exit(main())
