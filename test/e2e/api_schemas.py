# SPDX-License-Identifier: Apache-2.0
"""Schemas as public APIs and tool catalogues have them: what the constrained answers of the server are checked with.

Written for this test after the shapes of well-known services; none is copied from one. Between them they use every
keyword that the server promises to keep.
"""


def obj(properties, required=None, **more):
    """An object with named properties, all required unless said otherwise."""
    return {"type": "object", "properties": properties, "required": list(properties) if required is None else required,
            "additionalProperties": False, **more}


def arr(items, least=0, most=3, **more):
    return {"type": "array", "items": items, "minItems": least, "maxItems": most, **more}


def text(most=24, **more):
    return {"type": "string", "maxLength": most, **more}


def form(name):
    return {"type": "string", "format": name}


def enum(*values):
    return {"type": "string", "enum": list(values)}


def maybe(schema):
    return {"anyOf": [schema, {"type": "null"}]}


def whole(least, most):
    return {"type": "integer", "minimum": least, "maximum": most}


def num(least, most):
    return {"type": "number", "minimum": least, "maximum": most}


def ref(name):
    return {"$ref": f"#/$defs/{name}"}


def match(pattern):
    return {"type": "string", "pattern": pattern}


FLAG = {"type": "boolean"}
MONEY = obj({"amount": whole(0, 100000), "currency": enum("usd", "eur", "gbp", "jpy")})
PLACE = obj({"street": text(), "city": text(), "postal_code": match("^[0-9]{5}$"), "country": match("^[A-Z]{2}$")})
POINT = obj({"lat": num(-90, 90), "lon": num(-180, 180)})
PERSON = obj({"name": text(), "email": form("email")})

SCHEMAS = {
    # People and accounts
    "user": obj({"id": form("uuid"), "name": text(), "email": form("email"), "age": whole(0, 150), "admin": FLAG}),
    "user_patch": obj({"name": text(), "email": form("email"), "phone": match(r"^\+[0-9]{7,15}$")}, required=["name"]),
    "profile": obj({"handle": match("^[a-z0-9_]{3,15}$"), "bio": maybe(text(60)), "website": maybe(form("uri")), "followers": whole(0, 9999)}),
    "session": obj({"token": match("^[A-Za-z0-9]{16}$"), "expires_at": form("date-time"), "scopes": arr(enum("read", "write", "admin"), 1)}),
    "contact": obj({"person": PERSON, "company": maybe(text()), "tags": arr(text(12))}),
    "address": PLACE,
    "household": {"type": "object", "$defs": {"person": PERSON}, "properties": {"head": ref("person"), "members": arr(ref("person"), 1, 2)},
                  "required": ["head", "members"], "additionalProperties": False},
    "role_binding": obj({"subject": obj({"kind": enum("User", "Group", "ServiceAccount"), "name": text()}), "role": text()}),
    "oauth_client": obj({"client_id": match("^[a-f0-9]{8}$"), "redirect_uris": arr(form("uri"), 1, 2), "public": FLAG}),
    "invitation": obj({"to": form("email"), "team": text(), "expires": form("date"), "message": maybe(text(40))}),
    # Payments
    "charge": obj({"amount": whole(1, 999999), "currency": enum("usd", "eur"), "captured": FLAG, "description": maybe(text(40))}),
    "refund": obj({"charge": match("^ch_[A-Za-z0-9]{8}$"), "reason": enum("duplicate", "fraudulent", "requested_by_customer")}),
    "card": obj({"brand": enum("visa", "mastercard", "amex"), "last4": match("^[0-9]{4}$"), "exp_month": whole(1, 12), "exp_year": whole(2024, 2040)}),
    "payment_method": {"oneOf": [
        obj({"type": {"const": "card"}, "last4": match("^[0-9]{4}$")}),
        obj({"type": {"const": "sepa"}, "iban": match("^DE[0-9]{20}$")}),
        obj({"type": {"const": "cash"}})]},
    "invoice": obj({"number": match("^INV-[0-9]{6}$"), "lines": arr(obj({"sku": match("^[A-Z]{3}-[0-9]{3}$"), "quantity": whole(1, 99), "price": MONEY}), 1, 2),
                    "due": form("date"), "paid": FLAG}),
    "subscription": obj({"plan": enum("free", "pro", "team"), "seats": whole(1, 500), "trial_end": maybe(form("date-time"))}),
    "coupon": {"type": "object", "properties": {"code": match("^[A-Z0-9]{6}$"), "percent_off": whole(1, 100), "amount_off": whole(1, 5000)},
               "required": ["code"], "anyOf": [{"required": ["percent_off"]}, {"required": ["amount_off"]}]},
    "payout": obj({"amount": MONEY, "destination": enum("bank", "card"), "arrival": form("date")}),
    "dispute": obj({"id": form("uuid"), "status": enum("won", "lost", "under_review"), "evidence": obj({"receipt": maybe(text()), "notes": maybe(text(40))})}),
    "tax_rate": obj({"name": text(), "percentage": num(0, 30), "inclusive": FLAG, "jurisdiction": match("^[A-Z]{2}(-[A-Z]{2})?$")}),
    "balance": obj({"available": arr(MONEY, 1, 2), "pending": arr(MONEY, 0, 1), "livemode": FLAG}),
    # Code hosting
    "issue": obj({"title": text(40), "body": maybe(text(60)), "labels": arr(text(12)), "assignees": arr(match("^[a-z]{2,12}$")), "state": enum("open", "closed")}),
    "pull_request": obj({"title": text(40), "head": text(), "base": text(), "draft": FLAG, "reviewers": arr(text(12), 0, 2)}),
    "commit": obj({"sha": match("^[0-9a-f]{40}$"), "author": PERSON, "message": text(50), "parents": arr(match("^[0-9a-f]{40}$"), 0, 1)}),
    "release": obj({"tag": match(r"^v[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{1,2}$"), "name": text(), "prerelease": FLAG, "assets": arr(obj({"name": text(), "size": whole(0, 99999)}), 0, 2)}),
    "review": obj({"state": enum("APPROVED", "CHANGES_REQUESTED", "COMMENTED"), "comments": arr(obj({"path": text(), "line": whole(1, 9999), "body": text(40)}), 0, 2)}),
    "workflow": obj({"name": text(), "on": arr(enum("push", "pull_request", "schedule"), 1), "jobs": arr(obj({"runs_on": enum("linux", "macos"), "steps": arr(text(), 1, 2)}), 1, 2)}),
    "webhook": obj({"url": form("uri"), "content_type": enum("json", "form"), "events": arr(enum("push", "issues", "release"), 1), "active": FLAG}),
    "diff_hunk": obj({"old_start": whole(1, 9999), "new_start": whole(1, 9999), "lines": arr(match("^[ +-][a-z ]{0,20}$"), 1)}),
    "dependency": obj({"name": match("^[a-z][a-z0-9-]{1,20}$"), "version": match(r"^[~^]?[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{1,2}$"), "dev": FLAG}),
    # Operations
    "pod": obj({"apiVersion": {"const": "v1"}, "kind": {"const": "Pod"}, "metadata": obj({"name": match("^[a-z][a-z0-9-]{0,14}$"), "labels": {
        "type": "object", "additionalProperties": text(10), "maxProperties": 2}}),
        "spec": obj({"containers": arr(obj({"name": text(12), "image": text(), "ports": arr(whole(1, 65535), 0, 2)}), 1, 2)})}),
    "deployment": obj({"replicas": whole(0, 20), "strategy": enum("RollingUpdate", "Recreate"), "selector": obj({"app": text(12)})}),
    "service": obj({"type": enum("ClusterIP", "NodePort", "LoadBalancer"), "ports": arr(obj({"port": whole(1, 65535), "protocol": enum("TCP", "UDP")}), 1, 2)}),
    "dns_record": {"oneOf": [
        obj({"type": {"const": "A"}, "value": form("ipv4"), "ttl": whole(60, 86400)}),
        obj({"type": {"const": "AAAA"}, "value": form("ipv6"), "ttl": whole(60, 86400)}),
        obj({"type": {"const": "CNAME"}, "value": form("hostname"), "ttl": whole(60, 86400)})]},
    "firewall_rule": obj({"direction": enum("in", "out"), "action": enum("allow", "deny"), "port": maybe(whole(1, 65535)), "source": match(r"^10\.[0-9]{1,2}\.[0-9]{1,2}\.0/24$")}),
    "alert": obj({"severity": enum("critical", "warning", "info"), "summary": text(50), "started_at": form("date-time"), "runbook": maybe(form("uri"))}),
    "metric_query": obj({"metric": match("^[a-z_]{3,20}$"), "range": match("^[1-9][0-9]?[smhd]$"), "agg": enum("sum", "avg", "max")}),
    "log_line": obj({"time": form("date-time"), "level": enum("DEBUG", "INFO", "WARN", "ERROR"), "message": text(60), "attributes": {
        "type": "object", "additionalProperties": {"type": ["string", "integer"], "maxLength": 10, "minimum": 0, "maximum": 99}, "maxProperties": 2}}),
    "incident": obj({"id": match("^P[0-9A-Z]{6}$"), "urgency": enum("high", "low"), "timeline": arr(obj({"at": form("time"), "note": text(30)}), 1, 2)}),
    "backup": obj({"schedule": match(r"^[0-5]?[0-9] [0-2]?[0-9] \* \* [0-6]$"), "retention_days": whole(1, 365), "encrypted": FLAG}),
    "bucket": obj({"name": match("^[a-z0-9]{3,20}$"), "region": enum("eu-west-1", "us-east-1"), "versioning": FLAG, "lifecycle": arr(obj({"days": whole(1, 999), "class": enum("cold", "archive")}), 0, 1)}),
    "vm": obj({"cpus": {"enum": [1, 2, 4, 8, 16]}, "memory_gb": whole(1, 512), "disk": obj({"kind": enum("ssd", "hdd"), "gb": whole(10, 4000)}), "image": text()}),
    "quota": obj({"limit": whole(0, 1000), "used": whole(0, 1000), "unit": {"const": "requests"}, "window": form("duration")}),
    # Messages and calendars
    "chat_message": obj({"channel": match("^#[a-z0-9-]{2,15}$"), "text": text(60), "thread_ts": maybe(match(r"^[0-9]{10}\.[0-9]{6}$"))}),
    "email": obj({"to": arr(form("email"), 1, 2), "cc": arr(form("email"), 0, 1), "subject": text(40), "body": text(80), "importance": enum("low", "normal", "high")}),
    "sms": obj({"to": match(r"^\+[1-9][0-9]{6,14}$"), "body": text(80)}),
    "push": obj({"title": text(), "body": text(60), "badge": whole(0, 99), "data": {"type": "object", "additionalProperties": text(12), "maxProperties": 2}}),
    "event": obj({"summary": text(40), "start": form("date-time"), "end": form("date-time"), "attendees": arr(PERSON, 0, 2), "recurrence": maybe(enum("daily", "weekly", "monthly"))}),
    "availability": obj({"date": form("date"), "slots": arr(obj({"from": form("time"), "free": FLAG}), 1, 2)}),
    "poll": obj({"question": text(50), "options": arr(text(), 2, 4), "multiple": FLAG}),
    "reminder": obj({"text": text(40), "in_minutes": whole(1, 10080), "repeat": FLAG}),
    "block_kit": obj({"blocks": arr({"anyOf": [obj({"type": {"const": "section"}, "text": text(40)}), obj({"type": {"const": "divider"}}),
                                               obj({"type": {"const": "image"}, "url": form("uri")})]}, 1, 3)}),
    # Commerce
    "product": obj({"name": text(), "price": num(0, 999), "in_stock": FLAG, "colors": arr(enum("red", "green", "blue"), 0, 3), "rating": {"type": ["number", "null"], "minimum": 0, "maximum": 5}}),
    "cart": obj({"items": arr(obj({"product_id": form("uuid"), "quantity": whole(1, 10)}), 1, 2), "coupon": maybe(match("^[A-Z]{4}[0-9]{2}$"))}),
    "order": {"type": "object", "definitions": {"address": PLACE, "line": obj({"sku": text(10), "qty": whole(1, 9)})},
              "properties": {"id": form("uuid"), "ship_to": {"$ref": "#/definitions/address"}, "lines": arr({"$ref": "#/definitions/line"}, 1, 2),
                             "status": enum("new", "paid", "shipped")},
              "required": ["id", "ship_to", "lines", "status"], "additionalProperties": False},
    "shipment": obj({"carrier": enum("dhl", "ups", "fedex"), "tracking": match("^[0-9A-Z]{10,12}$"), "weight_kg": num(0, 70), "dimensions": arr(whole(1, 200), 3, 3)}),
    "review_rating": obj({"stars": whole(1, 5), "title": text(), "pros": arr(text(), 0, 2), "cons": arr(text(), 0, 2), "verified": FLAG}),
    "inventory": obj({"warehouse": match("^W[0-9]{2}$"), "stock": {"type": "object", "additionalProperties": whole(0, 999), "minProperties": 1, "maxProperties": 2}}),
    "price_list": obj({"valid_from": form("date"), "tiers": arr({"type": "array", "prefixItems": [whole(1, 100), num(0, 1000)], "items": False, "minItems": 2, "maxItems": 2}, 1, 2)}),
    "return_label": obj({"rma": match("^RMA[0-9]{5}$"), "reason": enum("damaged", "wrong_item", "other"), "photos": arr(form("uri"), 0, 1)}),
    # Travel and places
    "weather_query": obj({"location": text(), "unit": enum("celsius", "fahrenheit"), "days": whole(1, 14)}, required=["location"]),
    "weather": obj({"temp": num(-60, 60), "humidity": whole(0, 100), "wind": obj({"speed": num(0, 120), "deg": whole(0, 359)}), "conditions": arr(enum("rain", "snow", "clear", "clouds"), 1, 2)}),
    "flight": obj({"number": match("^[A-Z]{2}[0-9]{3,4}$"), "from": match("^[A-Z]{3}$"), "to": match("^[A-Z]{3}$"), "departs": form("date-time"), "cabin": enum("economy", "business")}),
    "hotel_booking": obj({"hotel": text(), "check_in": form("date"), "check_out": form("date"), "guests": whole(1, 6), "breakfast": FLAG}),
    "route": obj({"origin": POINT, "destination": POINT, "mode": enum("driving", "walking", "transit"), "waypoints": arr(POINT, 0, 1)}),
    "geojson_point": obj({"type": {"const": "Point"}, "coordinates": {"type": "array", "prefixItems": [num(-180, 180), num(-90, 90)], "items": False, "minItems": 2, "maxItems": 2}}),
    "restaurant": obj({"name": text(), "cuisine": arr(text(12), 1, 2), "price_level": whole(1, 4), "hours": obj({"open": form("time"), "close": form("time")})}),
    "ride": obj({"pickup": PLACE, "status": enum("accepted", "arriving", "completed"), "fare": maybe(MONEY)}),
    "timezone": obj({"offset": match("^[+-](0[0-9]|1[0-4]):00$"), "name": match("^[A-Z][a-z]{2,9}/[A-Z][a-z]{2,9}$")}),
    # Extraction and language
    "sentiment": obj({"label": enum("positive", "neutral", "negative"), "score": num(0, 1)}),
    "entities": obj({"entities": arr(obj({"text": text(), "type": enum("PERSON", "ORG", "LOC"), "start": whole(0, 999)}), 0, 3)}),
    "summary": obj({"title": text(40), "bullets": arr(text(50), 1, 3), "language": match("^[a-z]{2}$")}),
    "resume": obj({"name": text(), "skills": arr(text(12), 1, 3), "jobs": arr(obj({"employer": text(), "from": whole(1970, 2030), "to": maybe(whole(1970, 2030))}), 0, 2)}),
    "recipe": obj({"title": text(), "servings": whole(1, 12), "ingredients": arr(obj({"name": text(), "grams": num(0, 2000)}), 1, 3), "steps": arr(text(50), 1, 3)}),
    "translation": obj({"source": enum("en", "de", "fr"), "target": enum("en", "de", "fr"), "text": text(60)}),
    "classification": {"type": "string", "enum": ["spam", "ham"]},
    "yes_no": {"type": "boolean"},
    "score": {"type": "integer", "minimum": 1, "maximum": 10},
    "keywords": arr(text(14), 1, 4),
    "math_steps": obj({"steps": arr(obj({"explanation": text(40), "output": text()}), 1, 2), "final_answer": text()}),
    "quiz": obj({"question": text(50), "choices": arr(text(), 4, 4), "answer": whole(0, 3)}),
    "citation": obj({"authors": arr(text(), 1, 2), "year": whole(1900, 2030), "doi": maybe(match(r"^10\.[0-9]{4}/[a-z0-9]{4,10}$"))}),
    "table": obj({"columns": arr(text(10), 1, 3), "rows": arr(arr({"type": ["string", "number", "null"], "maxLength": 8, "minimum": 0, "maximum": 99}, 1, 3), 0, 2)}),
    # Documents, trees, unions
    "tree": {"$defs": {"node": obj({"value": whole(0, 99), "children": arr(ref("node"), 0, 2)})}, **ref("node")},
    "linked_list": {"$defs": {"cell": obj({"head": text(6), "tail": maybe(ref("cell"))})}, **ref("cell")},
    "comment_thread": {"type": "object", "properties": {"author": text(12), "text": text(30), "replies": arr({"$ref": "#"}, 0, 1)},
                       "required": ["author", "text", "replies"], "additionalProperties": False},
    "filter": {"$defs": {"leaf": obj({"field": text(10), "op": enum("eq", "lt", "gt"), "value": whole(0, 99)}),
                         "all": obj({"all": arr(ref("leaf"), 1, 2)}), "any": obj({"any": arr(ref("leaf"), 1, 2)})},
               "anyOf": [ref("leaf"), ref("all"), ref("any")]},
    "shape": {"oneOf": [obj({"radius": num(0, 100)}), obj({"width": num(0, 100), "height": num(0, 100)})]},
    "ui": {"$defs": {"widget": obj({"type": enum("div", "button", "label"), "text": text(12), "children": arr(ref("widget"), 0, 1)})},
           "type": "object", "properties": {"root": ref("widget")}, "required": ["root"], "additionalProperties": False},
    "json_patch": arr({"oneOf": [obj({"op": {"const": "add"}, "path": match("^/[a-z]{1,8}$"), "value": text(10)}),
                                 obj({"op": {"const": "remove"}, "path": match("^/[a-z]{1,8}$")})]}, 1, 2),
    "feature": {"allOf": [{"$ref": "#/$defs/base"}, {"type": "object", "properties": {"enabled": FLAG, "rollout": whole(0, 100)}, "required": ["enabled"]}],
                "$defs": {"base": {"type": "object", "properties": {"key": match("^[a-z_]{3,16}$"), "owner": form("email")}, "required": ["key"]}}},
    "animal": {"allOf": [{"type": "object", "properties": {"name": text(12)}, "required": ["name"]},
                         {"oneOf": [{"type": "object", "properties": {"kind": {"const": "cat"}, "lives": whole(1, 9)}, "required": ["kind", "lives"]},
                                    {"type": "object", "properties": {"kind": {"const": "dog"}, "tricks": arr(text(10))}, "required": ["kind", "tricks"]}]}]},
    "money_or_free": {"anyOf": [MONEY, {"const": "free"}]},
    "settings": {"type": "object", "patternProperties": {"^[a-z]{2,8}$": {"type": "boolean"}}, "additionalProperties": False, "minProperties": 1, "maxProperties": 3},
    "matrix": arr(arr(whole(-9, 9), 2, 2), 2, 2),
    "color": match("^#[0-9a-f]{6}$"),
    "version": {"type": "object", "properties": {"major": whole(0, 99), "minor": whole(0, 99), "pre": {"type": ["string", "null"], "maxLength": 6}}, "required": ["major", "minor"]},
    "duration_limits": obj({"timeout": form("duration"), "retries": {"type": "integer", "exclusiveMinimum": -1, "exclusiveMaximum": 6}, "backoff": num(0.5, 8)}),
    "page": obj({"items": arr(text(10), 0, 2), "next": maybe(form("uri")), "total": whole(0, 9999)}),
    # Tools
    "search_tool": obj({"query": text(40), "top_k": whole(1, 50), "filters": obj({"lang": enum("en", "de"), "since": form("date")}, required=[])}, required=["query"]),
    "sql_tool": obj({"table": enum("users", "orders"), "columns": arr(match("^[a-z_]{2,12}$"), 1, 3), "limit": whole(1, 1000)}),
    "file_edit": obj({"path": match(r"^[a-z]{1,8}(/[a-z]{1,8}){0,2}\.(py|ts|md)$"), "edits": arr(obj({"line": whole(1, 999), "text": text(30)}), 1, 2)}),
    "http_tool": obj({"method": enum("GET", "POST", "DELETE"), "url": form("uri"), "headers": {"type": "object", "additionalProperties": text(12), "maxProperties": 2}}),
    "music": obj({"action": enum("play", "pause", "skip"), "track": maybe(text()), "volume": {"type": "integer", "minimum": 0, "maximum": 100, "multipleOf": 5}}),
    "thermostat": obj({"target": num(5, 30), "mode": enum("heat", "cool", "off"), "schedule": arr(obj({"at": match("^([01][0-9]|2[0-3]):[0-5][0-9]$"), "temp": whole(5, 30)}), 0, 2)}),
    "robot": obj({"commands": arr({"anyOf": [obj({"move": enum("up", "down", "left", "right"), "steps": whole(1, 10)}), obj({"wait_ms": whole(10, 5000)})]}, 1, 3)}),
    "bank_transfer": obj({"from_iban": match("^DE[0-9]{20}$"), "to_iban": match("^DE[0-9]{20}$"), "amount": num(0, 5000), "memo": text(30)}),
    "medical": obj({"patient": form("uuid"), "vitals": obj({"pulse": whole(30, 220), "temp_c": num(34, 42)}), "medication": arr(obj({"name": text(16), "mg": whole(1, 1000)}), 0, 2)}),
    "election": obj({"candidates": arr(obj({"name": text(16), "votes": whole(0, 99999)}), 2, 3), "turnout": num(0, 1)}),
}

assert len(SCHEMAS) >= 100, len(SCHEMAS)
