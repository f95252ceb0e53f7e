#!/usr/bin/env python3
"""openapi_walk.py PORT: sends every request of the gateway's own document and checks every answer by it.

Each operation is sent with its example, in the order of the document, to a server that knows only its
first user. What comes back must have a status that the document names, in a form that it names, and fit
the schema. Then each is sent again wrongly: without a token, with a body that is no JSON, with a member
that nobody knows. Prints what does not fit, a line each, and the number of requests at the end.
"""

import base64
import http.client
import json
import sys

# Succeeds unless it is here: this database is loaded already.
REFUSED = {("POST", "/db/{database}/load"): {400}}
# The tokens that the walk goes on with.
TOKEN_FROM = {"/login", "/db/use/{databaseName}"}
LINES = "application/x-ndjson"
INTEGERS = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}


class Misfit(Exception):
    pass


def has_type(value, name):
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, TYPES[name])


class Validator:
    """The part of JSON Schema that the document uses; any other keyword is a misfit of the document."""

    def __init__(self, document):
        self.document = document
        self.keywords = {
            "type": self.check_type,
            "$ref": self.check_ref,
            "properties": self.check_properties,
            "additionalProperties": self.check_additional,
            "required": self.check_required,
            "maxProperties": self.check_max_properties,
            "items": self.check_items,
            "format": self.check_format,
            "contentEncoding": self.check_encoding,
            "description": lambda *_: None,
        }

    def resolve(self, ref):
        at = self.document
        for name in ref.removeprefix("#/").split("/"):
            if name not in at:
                raise Misfit(f"the document has no {ref}")
            at = at[name]
        return at

    def check(self, value, schema, place="answer"):
        for keyword, argument in schema.items():
            if keyword not in self.keywords:
                raise Misfit(f"{place}: the validator does not know {keyword}")
            self.keywords[keyword](value, argument, schema, place)

    def check_type(self, value, names, _, place):
        names = [names] if isinstance(names, str) else names
        if not any(has_type(value, name) for name in names):
            raise Misfit(f"{place}: {value!r:.60} is not {' or '.join(names)}")

    def check_ref(self, value, ref, _, place):
        self.check(value, self.resolve(ref), place)

    def check_properties(self, value, properties, _, place):
        for name, schema in properties.items():
            if name in value:
                self.check(value[name], schema, f"{place}.{name}")

    def check_additional(self, value, allowed, schema, place):
        extra = [] if allowed else [n for n in value if n not in schema.get("properties", {})]
        if extra:
            raise Misfit(f"{place}: members that are not documented: {', '.join(extra)}")

    def check_required(self, value, names, _, place):
        missing = [name for name in names if name not in value]
        if missing:
            raise Misfit(f"{place}: lacks {', '.join(missing)}")

    def check_max_properties(self, value, most, _, place):
        if len(value) > most:
            raise Misfit(f"{place}: has {len(value)} members, at most {most} are documented")

    def check_items(self, value, schema, _, place):
        for i, item in enumerate(value):
            self.check(item, schema, f"{place}[{i}]")

    def check_format(self, value, name, _, place):
        if name in INTEGERS:
            least, most = INTEGERS[name]
            if not least <= int(value) <= most:
                raise Misfit(f"{place}: {value} is out of the range of {name}")
        elif name in ("float", "double"):
            float(value)
        else:
            raise Misfit(f"{place}: the validator does not know the format {name}")

    def check_encoding(self, value, name, _, place):
        if name != "base64":
            raise Misfit(f"{place}: the validator does not know the encoding {name}")
        base64.b64decode(value, validate=True)


def no_duplicates(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Misfit("a member is there twice")
    return members


def parse(text):
    return json.loads(text, object_pairs_hook=no_duplicates)


class Walk:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.token = None
        self.requests = 0
        self.misfits = []
        _, _, body = self.send("GET", "/openapi.json", None, {})
        self.document = parse(body)
        self.validator = Validator(self.document)

    def send(self, verb, path, body, headers):
        self.connection.request(verb, path, body, headers)
        answer = self.connection.getresponse()
        self.requests += 1
        media_type = (answer.getheader("Content-Type") or "").split(";")[0]
        return answer.status, media_type, answer.read()

    def operations(self):
        for path, verbs in self.document["paths"].items():
            for verb, operation in verbs.items():
                yield verb.upper(), path, operation

    def check_answer(self, operation, status, media_type, body):
        """The body as JSON if it is that; raises Misfit."""
        documented = operation["responses"].get(str(status))
        if documented is None:
            raise Misfit(f"status {status} is not documented: {body[:200]!r}")
        if "$ref" in documented:
            documented = self.validator.resolve(documented["$ref"])
        form = documented.get("content", {}).get(media_type)
        if form is None:
            raise Misfit(f"{media_type} is not documented for status {status}")
        if media_type == LINES:
            for line in body.decode().splitlines():
                self.validator.check(parse(line), form["schema"])
            return None
        if media_type != "application/json":
            return None
        value = parse(body)
        self.validator.check(value, form.get("schema", {}))
        return value

    def run(self, verb, path, operation, what, expected, body=None, accept=None, login=True):
        """Sends one request; what comes is a misfit unless it is documented and expected."""
        headers = {"Accept": accept} if accept else {}
        if login and operation.get("security") != []:
            headers["Authorization"] = f"Bearer {self.token}"
        target = path
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                example = str(parameter["example"]).replace("=", "%3D")
                target = target.replace("{" + parameter["name"] + "}", example)
        try:
            status, media_type, answer = self.send(verb, target, body, headers)
            value = self.check_answer(operation, status, media_type, answer)
            if status not in expected:
                raise Misfit(f"status {status}: {answer[:200]!r}")
            if accept == LINES and media_type != LINES:
                raise Misfit(f"{LINES} was asked for, {media_type} came")
            return value
        except (Misfit, ValueError, UnicodeDecodeError) as e:
            self.misfits.append(f"{verb} {path}, {what}: {e}")
            return None

    def example(self, operation):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            return None
        if "example" not in content:
            raise Misfit("a body without an example")
        self.validator.check(content["example"], content["schema"], "example")
        return json.dumps(content["example"])

    def walk_right(self):
        for verb, path, operation in self.operations():
            try:
                body = self.example(operation)
            except (Misfit, ValueError) as e:
                self.misfits.append(f"{verb} {path}: {e}")
                continue
            expected = REFUSED.get((verb, path), {200})
            if LINES in operation["responses"]["200"]["content"]:
                self.run(verb, path, operation, "lines", expected, body, accept=LINES)
            value = self.run(verb, path, operation, "example", expected, body)
            if path in TOKEN_FROM and value:
                self.token = value["token"]

    def walk_wrong(self):
        """After the walk its token has been logged out, so that nothing is changed here."""
        for verb, path, operation in self.operations():
            body = self.example(operation)
            if operation.get("security") != []:
                self.run(verb, path, operation, "no token", {401}, body, login=False)
                self.run(verb, path, operation, "an old token", {401}, body)
            if body is not None:
                self.run(verb, path, operation, "no JSON", {400}, "{")
                self.run(verb, path, operation, "a strange member", {400}, '{"strange":1}')


def main():
    walk = Walk(int(sys.argv[1]))
    walk.walk_right()
    walk.walk_wrong()
    for misfit in walk.misfits:
        print(misfit)
    print(f"{walk.requests} requests, {len(walk.misfits)} do not fit")
    return 1 if walk.misfits else 0


if __name__ == "__main__":
    sys.exit(main())
