"""The palette that all reports share. Generated from browse/look.ts by `npm run generate`; do not edit."""

PALETTE = """
:root{color-scheme:light dark;--paper:#f8f7f2;--card:#fffefb;--ink:#1b211d;--muted:#59635c;--line:#dcdcd2;--accent:#1d6b49;--on-accent:#fffefb;--warn:#9a3412;--warn-paper:#fdf0e6;--shade-0:#eef2ea;--shade-1:#dbe9dc;--shade-2:#c6dfcd;--shade-3:#b0d5bd;--shade-4:#99caad;--shade-5:#82be9d;--shade-6:#6bb28d;--shade-7:#56a57e;--serif:"Iowan Old Style","Palatino Linotype",Palatino,Charter,Georgia,serif;--sans:ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;--mono:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;}
@media (prefers-color-scheme:dark){:root{--paper:#111412;--card:#181c19;--ink:#e9ece6;--muted:#a0aaa3;--line:#2c332e;--accent:#6fc79a;--on-accent:#10130f;--warn:#f3b18a;--warn-paper:#2b1d14;--shade-0:#1c231f;--shade-1:#1f2f27;--shade-2:#213a2f;--shade-3:#234637;--shade-4:#25523f;--shade-5:#275e48;--shade-6:#286850;--shade-7:#2a7257;}}
"""
