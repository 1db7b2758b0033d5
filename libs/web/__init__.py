"""HTTP as every service speaks it: strict requests, signed callers, one form of error."""

from libs.web.access import AccessTable, allow, known_caller, load_access_table, public
from libs.web.application import build_api
from libs.web.auth import Authenticator, Caller, issue_token, make_signing_key
from libs.web.commands import Answer, Ask, Commands, Done, Outcome, command
from libs.web.health import build_health
from libs.web.keys import JwksFile, JwksUrl
from libs.web.paging import Page, PageQuery, Paging, page_of
from libs.web.problem import Problem, Unavailable
from libs.web.routing import Router

__all__ = [
    "AccessTable",
    "Answer",
    "Ask",
    "Authenticator",
    "Caller",
    "Commands",
    "Done",
    "JwksFile",
    "JwksUrl",
    "Outcome",
    "Page",
    "PageQuery",
    "Paging",
    "Problem",
    "Router",
    "Unavailable",
    "allow",
    "build_api",
    "build_health",
    "command",
    "issue_token",
    "known_caller",
    "load_access_table",
    "make_signing_key",
    "page_of",
    "public",
]
