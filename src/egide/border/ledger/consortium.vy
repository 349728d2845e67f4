# pragma version 0.4.3
# pragma evm-version shanghai
"""
@title What the authorities of a border agree on
@license EUPL-1.2
@notice Keys, digests of lists, roots of logs and counters; nothing else has a place here. No function takes bytes or text of a length
        of its own, and none writes oftener than once a period for each member: what is written cannot follow the travellers.
        `state` commits to every write, so that two machines that ran the same calls at the same times say so with 32 bytes.
"""

MAX_MEMBERS: constant(uint256) = 13  # 3f+1 with f = 4
MINUTE: constant(uint256) = 60  # s between two keys, two votes or two status digests of a member
HOUR: constant(uint256) = 3600  # s between two checkpoints, or two erasure roots, of a member
DAY: constant(uint256) = 86400  # s; how far back a key's time may begin
LIFE: constant(uint256) = 2 * 366 * 86400  # s from now to the end of a key, at most
ISSUER: constant(uint8) = 1
VERIFIER: constant(uint8) = 2

# P-256 (FIPS 186-5, SP 800-186 3.2.1.3): y^2 = x^3 - 3x + b over GF(p)
P: constant(uint256) = 115792089210356248762697446949407573530086143415290314195533631308867097853951
B: constant(uint256) = 41058363725152142129326129780047268409114441015993725554835256314039467401291

KEY: constant(uint256) = 1
VOTE: constant(uint256) = 2
STATUS: constant(uint256) = 3
CHECKPOINT: constant(uint256) = 4
ERASURE: constant(uint256) = 5
REMOVAL: constant(uint256) = 6

struct Key:
    x: bytes32
    y: bytes32
    since: uint64
    until: uint64
    owner: address

struct Status:
    digest: bytes32
    sequence: uint64
    at: uint64

struct Root:
    root: bytes32
    size: uint64
    at: uint64

state: public(bytes32)
revision: public(uint64)  # counts changes of members and keys
epoch: public(uint64)  # counts changes of members; a vote of another epoch counts no more
member_count: public(uint256)
member_at: public(HashMap[uint256, address])
member_key: public(HashMap[address, bytes32])  # Ed25519, signs blocks; zero for who is no member
votes: HashMap[bytes32, uint256]
voted: HashMap[bytes32, HashMap[address, bool]]
entry_count: public(uint256)
entry_kid: public(HashMap[uint256, bytes32])
entry_role: public(HashMap[uint256, uint8])
listed: HashMap[bytes32, HashMap[uint8, bool]]
keys: HashMap[bytes32, HashMap[uint8, Key]]
statuses: HashMap[bytes32, Status]
heads: HashMap[address, HashMap[uint256, Root]]
roots: HashMap[address, HashMap[uint256, HashMap[uint64, bytes32]]]
last: HashMap[address, HashMap[uint256, uint256]]


@deploy
def __init__(members: address[MAX_MEMBERS], keys: bytes32[MAX_MEMBERS]):
    """@notice The first members; the first empty place ends the list."""
    for i: uint256 in range(MAX_MEMBERS):
        if members[i] == empty(address):
            break
        self._admit(members[i], keys[i])
    assert self.member_count > 0, "members"


@internal
def _admit(member: address, key: bytes32):
    assert key != empty(bytes32), "key"
    assert self.member_key[member] == empty(bytes32), "member"
    assert self.member_count < MAX_MEMBERS, "members"
    self.member_at[self.member_count] = member
    self.member_count += 1
    self.member_key[member] = key
    self.state = keccak256(abi_encode(self.state, VOTE, member, key))


@internal
def _leave(member: address):
    """@notice The others move up in their order; somebody stays."""
    assert self.member_key[member] != empty(bytes32), "member"
    assert self.member_count > 1, "members"
    found: bool = False
    for i: uint256 in range(MAX_MEMBERS):
        if i == self.member_count:
            break
        if found:
            self.member_at[i - 1] = self.member_at[i]
        elif self.member_at[i] == member:
            found = True
    self.member_count -= 1
    self.member_at[self.member_count] = empty(address)
    self.member_key[member] = empty(bytes32)
    self.state = keccak256(abi_encode(self.state, VOTE, member, empty(bytes32)))


@internal
def _write(kind: uint256, period: uint256, words: uint256):
    """@notice By a member, with its words and nothing after them, and not before its period for this kind has passed."""
    assert len(msg.data) == 4 + 32 * words, "shape"
    assert self.member_key[msg.sender] != empty(bytes32), "member"
    assert self.last[msg.sender][kind] == 0 or block.timestamp >= self.last[msg.sender][kind] + period, "early"
    self.last[msg.sender][kind] = block.timestamp


@external
def vote(member: address, key: bytes32):
    """@notice For a member with this key (Ed25519); key zero: that the member leaves. Done once a quorum, n - (n-1)/3, has said so."""
    self._write(VOTE, MINUTE, 2)
    assert member != empty(address), "member"
    ballot: bytes32 = keccak256(abi_encode(self.epoch, member, key))
    assert not self.voted[ballot][msg.sender], "again"
    self.voted[ballot][msg.sender] = True
    self.votes[ballot] += 1
    self.state = keccak256(abi_encode(self.state, ballot, msg.sender, block.timestamp))
    if self.votes[ballot] >= self.member_count - (self.member_count - 1) // 3:
        if key == empty(bytes32):
            self._leave(member)
        else:
            self._admit(member, key)
        self.epoch += 1
        self.revision += 1


@internal
@pure
def _on_curve(x: uint256, y: uint256) -> bool:
    """@notice SEC 1 3.2.2.1: a key is a point, so 64 bytes of something else are refused."""
    if x >= P or y >= P:
        return False
    cube: uint256 = uint256_mulmod(uint256_mulmod(x, x, P), x, P)
    line: uint256 = uint256_mulmod(P - 3, x, P)
    return uint256_mulmod(y, y, P) == uint256_addmod(uint256_addmod(cube, line, P), B, P)


@internal
@pure
def _kid(x: bytes32, y: bytes32) -> bytes32:
    """@notice The first 12 bytes of SHA-256(x, y), then zeros."""
    return convert(convert(sha256(concat(x, y)), uint256) >> 160 << 160, bytes32)


@external
def add_key(x: bytes32, y: bytes32, role: uint8, since: uint64, until: uint64) -> bytes32:
    """@notice Trusts a P-256 key of the caller's from `since` until before `until` (s since 1970); again: other times."""
    self._write(KEY, MINUTE, 5)
    assert role == ISSUER or role == VERIFIER, "role"
    assert self._on_curve(convert(x, uint256), convert(y, uint256)), "key"
    assert since < until, "time"
    assert convert(since, uint256) + DAY >= block.timestamp, "time"
    assert convert(until, uint256) > block.timestamp, "time"
    assert convert(until, uint256) <= block.timestamp + LIFE, "time"
    kid: bytes32 = self._kid(x, y)
    owner: address = self.keys[kid][role].owner
    assert owner == empty(address) or owner == msg.sender or self.member_key[owner] == empty(bytes32), "owner"
    if not self.listed[kid][role]:
        self.listed[kid][role] = True
        self.entry_kid[self.entry_count] = kid
        self.entry_role[self.entry_count] = role
        self.entry_count += 1
    self.keys[kid][role] = Key(x=x, y=y, since=since, until=until, owner=msg.sender)
    self.revision += 1
    self.state = keccak256(abi_encode(self.state, KEY, x, y, role, since, until, msg.sender, block.timestamp))
    return kid


@external
def remove_key(kid: bytes32, role: uint8):
    """@notice Ends the trust in a key at once, by its owner, or by any member once the owner is none. No period: it can only name what is there."""
    assert len(msg.data) == 4 + 32 * 2, "shape"
    assert self.member_key[msg.sender] != empty(bytes32), "member"
    owner: address = self.keys[kid][role].owner
    assert owner != empty(address), "key"
    assert owner == msg.sender or self.member_key[owner] == empty(bytes32), "owner"
    self.keys[kid][role] = empty(Key)
    self.revision += 1
    self.state = keccak256(abi_encode(self.state, REMOVAL, kid, role, msg.sender, block.timestamp))


@external
def put_status(kid: bytes32, digest: bytes32, sequence: uint64):
    """@notice The digest of an issuer's whole status list, by the owner of the issuer's key; the sequence only grows."""
    self._write(STATUS, MINUTE, 3)
    key: Key = self.keys[kid][ISSUER]
    assert key.owner == msg.sender, "owner"
    now: uint64 = convert(block.timestamp, uint64)
    assert key.since <= now and now < key.until, "time"
    assert digest != empty(bytes32), "root"
    assert sequence > self.statuses[kid].sequence, "rollback"
    self.statuses[kid] = Status(digest=digest, sequence=sequence, at=now)
    self.state = keccak256(abi_encode(self.state, STATUS, kid, digest, sequence, block.timestamp))


@internal
def _anchor(kind: uint256, root: bytes32, size: uint64):
    self._write(kind, HOUR, 2)
    assert root != empty(bytes32) and size > 1, "root"  # the root of a log of one is the hash of its entry
    assert size > self.heads[msg.sender][kind].size, "rollback"
    self.heads[msg.sender][kind] = Root(root=root, size=size, at=convert(block.timestamp, uint64))
    self.roots[msg.sender][kind][size] = root
    self.state = keccak256(abi_encode(self.state, kind, root, size, msg.sender, block.timestamp))


@external
def put_checkpoint(root: bytes32, size: uint64):
    """@notice The root of the caller's audit log at this size; the size only grows."""
    self._anchor(CHECKPOINT, root, size)


@external
def put_erasure(root: bytes32, size: uint64):
    """@notice The root of the caller's log of erasure receipts at this size; the size only grows."""
    self._anchor(ERASURE, root, size)


@external
@view
def key_of(kid: bytes32, role: uint8) -> Key:
    """@notice The key, or zeros where none is trusted."""
    return self.keys[kid][role]


@external
@view
def status_of(kid: bytes32) -> Status:
    """@notice The last digest, or zeros."""
    return self.statuses[kid]


@external
@view
def checkpoint_of(member: address) -> Root:
    """@notice The last checkpoint, or zeros."""
    return self.heads[member][CHECKPOINT]


@external
@view
def erasure_of(member: address) -> Root:
    """@notice The last erasure root, or zeros."""
    return self.heads[member][ERASURE]


@external
@view
def checkpoint_at(member: address, size: uint64) -> bytes32:
    """@notice The root anchored at exactly this size, or zero."""
    return self.roots[member][CHECKPOINT][size]


@external
@view
def erasure_at(member: address, size: uint64) -> bytes32:
    """@notice The erasure root anchored at exactly this size, or zero."""
    return self.roots[member][ERASURE][size]
