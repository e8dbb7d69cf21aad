"""Our own routes for the calendars that jobs share."""

from __future__ import annotations

from litestar.params import FromPath, JSONBody

from dkronpy.api.answers import AnyRequest
from dkronpy.api.cursor import After, Limit, page_by_name
from dkronpy.api.handlers import route
from dkronpy.api.services import note_of, services_of
from dkronpy.schedule.calendar import Calendar
from dkronpy.wire.calendars import CalendarBody, CalendarList, CalendarOut, CalendarSaved, calendar_out

_ALL = "/api/v1/calendars"
_PATH = f"{_ALL}/{{name:str}}"


@route("GET", _ALL, action="read", whole=True, listing=True, tags=["calendars"])
def list_calendars(request: AnyRequest, limit: Limit = 100, after: After = "") -> CalendarList:
    """Calendars by name, each with its days and the jobs that use it."""
    shared = services_of(request).client.calendars
    page, following = page_by_name(shared.all(), lambda one: one.name, limit, after)
    users = shared.all_users() if page else {}
    return CalendarList(items=[calendar_out(one, users.get(one.name, [])) for one in page], after=following)


@route("GET", _PATH, action="read", whole=True, tags=["calendars"])
def show_calendar(request: AnyRequest, name: FromPath[str]) -> CalendarOut:
    """One calendar with its days and the jobs that use it."""
    shared = services_of(request).client.calendars
    return calendar_out(shared.get(name), shared.users(name))


@route("PUT", _PATH, action="edit", whole=True, tags=["calendars"])
def save_calendar(request: AnyRequest, name: FromPath[str], data: JSONBody[CalendarBody]) -> CalendarSaved:
    """Store a calendar, and save every job anew that uses it."""
    shared = services_of(request).client.calendars
    wanted = Calendar(
        name=name, off=tuple(data.off), working=tuple(data.working), weekend=tuple(data.weekend), doc=data.doc
    )
    stored, changed = shared.save(wanted)
    note_of(request).detail = f"calendar {name} is at revision {stored.revision}; {len(changed)} jobs follow"
    return CalendarSaved(calendar=calendar_out(stored, shared.users(name)), changed=changed)


@route("DELETE", _PATH, action="edit", whole=True, status=204, tags=["calendars"])
def delete_calendar(request: AnyRequest, name: FromPath[str]) -> None:
    """Delete a calendar that no job uses."""
    services_of(request).client.calendars.delete(name)
    note_of(request).detail = f"calendar {name} deleted"


ROUTES = [list_calendars, show_calendar, save_calendar, delete_calendar]
