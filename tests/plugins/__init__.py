"""Three demonstration plug-ins: one that works, one whose manifest is refused, one that crashes."""
