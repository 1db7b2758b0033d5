"""The ways the vault says no. None of them ever holds a plaintext, a key or a number."""

from libs.decider import DomainError, NotFound, Refused


class BadToken(Refused):
    """This is no token of this vault, or it was changed; send it exactly as it was received."""

    rule = "bad-token"
    zh = "密文无效或已被改动"


class TextTooLong(DomainError):
    """A text to be sealed has more than 64 KiB in UTF-8; send less (DESIGN, The event: Limits)."""

    status = 413
    rule = "text-too-long"
    zh = "文本超过 64 KiB 上限"


class Erased(DomainError):
    """The person's key is destroyed; what it sealed cannot be read by anybody any more."""

    status = 410
    rule = "erased"
    zh = "该个人信息已销毁,无法读取"


class Locked(DomainError):
    """The person's data is locked to storage; only an auditor may open it, with a purpose."""

    status = 403
    rule = "locked"
    zh = "该个人信息已封存,仅审计员可凭用途查阅"


class KeyBroken(DomainError):
    """The person's key in the vault is damaged; restore the vault from a backup of it."""

    status = 409
    rule = "key-broken"
    zh = "该客户的密钥已损坏,请从密钥库备份恢复"


class PersonUnknown(NotFound):
    """The vault knows no such person, or nobody who belongs to that complaint."""

    rule = "person-unknown"
    zh = "没有该客户的记录"


class WrongVaultKey(RuntimeError):
    """The key file does not belong to this vault's database; nothing would ever open again."""
