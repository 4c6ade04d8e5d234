"""One client's connection: its words are read one after another, checked, and done; data never passes through here.

What belongs to a user is shown as long as the token is good that he has shown, and no longer.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Sequence

import msgspec
from aiohttp import WSMsgType, web

from api.catalogue import Catalogue
from api.database import LOST
from api.sockets import frames, limits
from api.sockets.accounts import AWAY, Accounts
from api.sockets.channels import PRIVATE, Channel, parse
from api.sockets.frames import Auth, Id, Ping, Subscribe, Unsubscribe
from api.sockets.hub import Hub
from api.sockets.limits import Bucket, Parties, Party
from api.sockets.outlet import Outlet, Outlets, Pipe
from api.tokens import AccessTokens
from api.users import Users
from runtime.telemetry import metrics
from schemas.errors import (
    INVALID_FIELD,
    INVALID_TOKEN,
    MALFORMED,
    TOKEN_EXPIRED,
    TOO_MANY_CHANNELS,
    TOO_MANY_CONNECTIONS,
    TOO_MANY_REQUESTS,
    UNAUTHENTICATED,
    UNKNOWN_CHANNEL,
    Refusal,
    unavailable,
)

CLOSE_S = 5.0
DRAIN_S = 0.05
IDLE_S = 60.0
GOING_AWAY, IDLE, SLOW, TOO_MUCH = 1001, 4000, 4008, 4029
REASONS = {GOING_AWAY: "shutdown", IDLE: "idle", SLOW: "slow", TOO_MUCH: "too_much"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a connection needs of the process."""

    hub: Hub
    accounts: Accounts
    outlets: Outlets
    parties: Parties
    tokens: AccessTokens
    users: Users
    catalogue: Catalogue
    clock: Callable[[], float]


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """Who has shown a token, and until when it is good."""

    user_id: int
    party: Party
    expires_at: int


class Client:
    """One connection."""

    def __init__(
        self, parts: Parts, socket: web.WebSocketResponse, pipe: Pipe, address: Party, channels: dict[str, Channel]
    ) -> None:
        self._parts = parts
        self._socket = socket
        self._address = address
        self._member: Member | None = None
        self._channels = channels
        self._words = Bucket(limits.WORDS_PER_S, limits.WORDS_AT_ONCE, _now())
        self._said_at = _now()
        self._closing: asyncio.Task[None] | None = None
        self._outlet = Outlet(pipe, lambda: self.close(SLOW, "you read too slowly"))

    async def talk(self) -> None:
        """Until one of both has closed."""
        try:
            async for message in self._socket:
                self._said_at = _now()
                if not self._may_speak():
                    break
                if message.type is WSMsgType.TEXT:
                    await self._answer(message.data)
                elif message.type is WSMsgType.BINARY:
                    self._refuse(Refusal(MALFORMED, "Frames are JSON text."), None)
        finally:
            self._outlet.is_open = False
            self._leave(list(self._channels))
            if self._member is not None:
                self._parts.parties.leave(self._member.party, self._channels)
            if self._closing is not None:
                await self._closing

    def look(self) -> None:
        """Time has passed: a token may have ended, or nobody may be there any more."""
        member = self._member
        if member is not None and self._parts.clock() >= member.expires_at:
            gone = [name for name, channel in self._channels.items() if channel.kind in PRIVATE]
            self._leave(gone)
            self._member = None
            self._parts.parties.leave(member.party, self._channels)
            ended = Refusal(TOKEN_EXPIRED, "The access token has ended; show a new one to go on with what is yours.")
            self._send(frames.error(ended, None, gone))
        if not self._channels and _now() - self._said_at > IDLE_S:
            self.close(IDLE, "nothing was asked for")

    def close(self, code: int, reason: str, last_word: bytes | None = None) -> None:
        """Says why, and hangs up on one who does not answer."""
        if self._closing is not None:
            return
        if last_word is not None:
            self._send(last_word)
        self._outlet.flush()
        self._outlet.is_open = False
        metrics.SOCKETS_CLOSED.labels(REASONS[code]).inc()
        self._closing = asyncio.create_task(self._close(code, reason))

    async def closed(self) -> None:
        """Once it is; to be waited for after `close`."""
        if self._closing is not None:
            await self._closing

    async def _close(self, code: int, reason: str) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._socket.close(code=code, message=reason.encode(), drain=False)
                while not self._outlet.is_drained:  # noqa: ASYNC110  # a transport tells nobody when it is empty
                    await asyncio.sleep(DRAIN_S)
        self._outlet.cut()

    # What it says

    def _may_speak(self) -> bool:
        parties = (self._address,) if self._member is None else (self._address, self._member.party)
        if all(words.takes(_now()) for words in (self._words, *(party.words for party in parties))):
            return True
        refusal = Refusal(TOO_MANY_REQUESTS, f"More than {limits.WORDS_PER_S} frames a second are too many.")
        self.close(TOO_MUCH, "too many frames", frames.error(refusal, None))
        return False

    async def _answer(self, text: str) -> None:
        asked_id: Id = None
        try:
            asked = frames.decode(text)
            asked_id = asked.id
            await self._do(asked)
        except Refusal as refusal:
            self._refuse(refusal, asked_id)
        except LOST:
            self._refuse(unavailable("PostgreSQL"), asked_id)
        except msgspec.ValidationError as error:
            self._refuse(Refusal(INVALID_FIELD, f"{error}."), frames.id_of(text))
        except msgspec.DecodeError:
            self._refuse(Refusal(MALFORMED, "A frame is one JSON object."), None)

    async def _do(self, asked: frames.Asked) -> None:
        match asked:
            case Ping():
                self._send(frames.pong(asked.id))
            case Auth():
                await self._authenticate(asked)
            case Subscribe():
                await self._subscribe(asked)
            case Unsubscribe():
                self._leave([name for name in asked.channels if name in self._channels])
                self._send(frames.unsubscribed(asked.channels, asked.id))

    async def _authenticate(self, asked: Auth) -> None:
        if asked.token is None:
            raise Refusal(UNAUTHENTICATED, "Show an access token; API keys cannot be used here yet.")
        access = self._parts.tokens.verify(asked.token, self._parts.clock())
        if await self._parts.users.find(access.user_id) is None:
            raise Refusal(INVALID_TOKEN, "The user of this access token is not here.")
        if self._member is not None and self._member.user_id != access.user_id:
            raise Refusal(INVALID_TOKEN, "This connection is another user's; open a new one.")
        if self._member is None:
            key, most = ("user", access.user_id), limits.CONNECTIONS_OF_USER
            party = self._parts.parties.enter(key, self._channels, most, _now())
            if party is None:
                refusal = Refusal(TOO_MANY_CONNECTIONS, "You have as many connections as are allowed.")
                self.close(TOO_MUCH, "too many connections", frames.error(refusal, asked.id))
                return
            self._member = Member(access.user_id, party, access.expires_at)
        self._member = dataclasses.replace(self._member, expires_at=access.expires_at)
        if asked.id is not None:
            self._send(frames.authenticated(asked.id))

    async def _subscribe(self, asked: Subscribe) -> None:
        """All of it or nothing."""
        channels = [_channel(name) for name in dict.fromkeys(asked.channels)]
        if unknown := asked.since_seq.keys() - {channel.name for channel in channels}:
            raise Refusal(INVALID_FIELD, f"since_seq names {min(unknown)}, which is not among the channels.")
        self._check_number(sum(channel.name not in self._channels for channel in channels))
        for channel in channels:
            await self._check(channel)
        await self._join_private([channel for channel in channels if channel.kind in PRIVATE])
        self._channels |= {channel.name: channel for channel in channels if channel.kind not in PRIVATE}
        self._send(frames.subscribed([channel.name for channel in channels], asked.id))
        for channel in channels:
            if channel.kind not in PRIVATE:
                self._parts.hub.join(self._outlet, channel, asked.since_seq.get(channel.name))

    async def _join_private(self, channels: Sequence[Channel]) -> None:
        """The books are read for each. When they are away, or the token ends meanwhile, none is joined."""
        member, joined = self._member, [channel for channel in channels if channel.name not in self._channels]
        try:
            for channel in joined:
                assert member is not None, "it was checked"
                await self._parts.accounts.join(self._outlet, member.user_id, channel.kind)
                if self._member is not member:
                    self._parts.accounts.leave(self._outlet, member.user_id, channel.kind)
                    raise Refusal(TOKEN_EXPIRED, "The access token has ended; show a new one.")
                self._channels[channel.name] = channel
        except AWAY:
            self._leave([channel.name for channel in joined if channel.name in self._channels])
            raise

    async def _check(self, channel: Channel) -> None:
        if channel.kind not in PRIVATE:
            listing = await self._parts.catalogue.with_market(channel.market)
            listing.market(channel.market, "market")
        elif self._member is None:
            raise Refusal(UNAUTHENTICATED, f"Show an access token before you subscribe to {channel.name}.")

    def _check_number(self, new: int) -> None:
        of_user = 0 if self._member is None else self._member.party.channels
        if len(self._channels) + new > limits.CHANNELS or of_user + new > limits.CHANNELS_OF_USER:
            most = f"{limits.CHANNELS} channels, and a user {limits.CHANNELS_OF_USER}"
            raise Refusal(TOO_MANY_CHANNELS, f"A connection has at most {most}.")

    def _leave(self, names: Sequence[str]) -> None:
        for name in names:
            channel = self._channels.pop(name)
            if channel.kind not in PRIVATE:
                self._parts.hub.leave(self._outlet, channel)
            elif self._member is not None:
                self._parts.accounts.leave(self._outlet, self._member.user_id, channel.kind)

    # What it is told

    def _refuse(self, refusal: Refusal, asked_id: Id) -> None:
        self._send(frames.error(refusal, asked_id))

    def _send(self, frame: bytes) -> None:
        self._parts.outlets.send((self._outlet,), (frame,))


def _channel(name: str) -> Channel:
    channel = parse(name)
    if channel is None:
        raise Refusal(UNKNOWN_CHANNEL, f"There is no channel called {name[:100]}.")
    return channel


def _now() -> float:
    return asyncio.get_running_loop().time()
