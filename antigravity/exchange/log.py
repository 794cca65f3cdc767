"""One line in the log for each exchange: who served it and how it went, no content."""

from __future__ import annotations

from txaio import tx as txaio

from antigravity.ir.record import ExchangeRecord

log = txaio.make_logger()


def log_exchange(record: ExchangeRecord) -> None:
    """Log a finished exchange; a failed one with every attempt that was made."""
    write = log.warn if record.outcome == "error" else log.info
    usage = record.usage
    last = record.attempts[-1] if record.attempts else None
    write(
        "{request_id} {protocol} {model} -> {upstream}/{mapped}: {outcome} after {seconds:.3f} s, "
        "{input} + {output} tokens, {attempts} attempt(s){intercepted}{why}",
        request_id=record.id,
        protocol=record.protocol,
        model=record.model,
        upstream=last.upstream if last else "-",
        mapped=record.mapped_model or "-",
        outcome=record.outcome,
        seconds=record.duration or 0.0,
        input=usage.input_total if usage else "?",
        output=usage.output if usage else "?",
        attempts=len(record.attempts),
        intercepted=f", {record.intercepted}" if record.intercepted else "",
        why=_reasons(record),
        losses=[loss.field for loss in record.losses],
    )


def _reasons(record: ExchangeRecord) -> str:
    if record.outcome != "error":
        return ""
    failed = [f"{a.upstream} ({a.credential}): {a.error}" for a in record.attempts if a.error]
    return ": " + ("; ".join(failed) or record.error or "")
