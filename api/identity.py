"""Who calls: the one place where a request's headers become a user, and where a route's policy is enforced."""

from aiohttp import web

from api.routing import Policy
from api.services import Services
from api.tokens import CHALLENGE
from api.users import User
from schemas.errors import FORBIDDEN, INVALID_TOKEN, UNAUTHENTICATED, Refusal


async def caller(request: web.Request, policy: Policy, services: Services) -> User | None:
    """The caller, if the route asks for one and he may call it."""
    if policy is Policy.PUBLIC:
        return None
    access = services.tokens.verify(_bearer(request), services.clock())
    user = await services.users.find(access.user_id)
    if user is None:
        raise Refusal(INVALID_TOKEN, "The user of this access token is not here.", headers=CHALLENGE)
    if policy is Policy.ADMIN and not user.is_admin:
        raise Refusal(FORBIDDEN, "Only an admin may do this.")
    return user


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refusal(UNAUTHENTICATED, "Send an access token: Authorization: Bearer <token>.", headers=CHALLENGE)
    return token.strip()
