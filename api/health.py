"""What operators and machines ask first: is it alive, is it ready, what do its numbers say, and what time is it."""

from aiohttp import web

from api.call import Call, Reply
from api.routing import Policy, Routes
from runtime.telemetry import metrics
from schemas import times
from schemas.bodies.health import Live, Ready, Time
from schemas.errors import UNAVAILABLE

routes = Routes("health", prefix="")
clock = Routes("time")


@routes.get("/live", Policy.PUBLIC, answer=Live)
async def live(_call: Call) -> Live:
    """The process runs and answers."""
    return Live(live=True)


@routes.get("/ready", Policy.PUBLIC, answer=Ready, also={503: Ready})
async def ready(call: Call) -> Reply:
    """Every part that the work needs is there; else 503, with the reason per part."""
    is_ready, parts = await call.services.readiness.report()
    headers = {} if is_ready else {"Retry-After": "1"}
    return Reply(200 if is_ready else UNAVAILABLE.status, Ready(ready=is_ready, parts=parts), headers)


@routes.get("/metrics", Policy.PUBLIC)
async def numbers(_call: Call) -> web.Response:
    """Everything that this process counts, as Prometheus reads it."""
    return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})


@clock.get("time", Policy.PUBLIC, answer=Time)
async def time(call: Call) -> Time:
    """The server's clock."""
    epoch_ms = int(call.services.clock() * 1000)
    return Time(time=times.text(times.from_epoch_ms(epoch_ms)), epoch_ms=epoch_ms)
