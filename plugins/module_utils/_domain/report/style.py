# Copyright (c) 2026, the steady.rollout authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's style sheet: light and dark by the reader's setting, narrow screens, and print.

Contrast of text is at least 4.5:1 in both; fills differ in lightness and pattern, not only in hue.
"""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--ink:#18202a;--quiet:#566270;--line:#dfe3e8;--grid:#eaedf1;
--ok:#08684c;--ok-bg:#e6f4ee;--warn:#854d00;--warn-bg:#fdf2dd;--bad:#a92b0f;--bad-bg:#fcebe6;--info:#0b548c;
--info-bg:#e7f1f9;--idle:#566270;--idle-bg:#eceff2;--old:#c9d0d8;--old-ink:#323c47;--new:#0f7d5c;--new-ink:#fff;
--start-a:#d3e6f5;--start-b:#4d97cf;--off-a:#fbe3b6;--off-b:#c98a1b;--win-a:#fff7e3;--win-b:#b87d16;--fail-a:#f9d5ca;
--fail-b:#b5351a;--wait:#9db8d6;--lead-a:#dcd6ef;--lead-b:#c3b8e3;--lead-ink:#2f2457;--hook:#6a55b5}
@media (prefers-color-scheme:dark){:root{--bg:#11151a;--card:#191f26;--ink:#e7ebf0;--quiet:#9eabb8;--line:#2f3842;
--grid:#262e37;--ok:#5fd0a6;--ok-bg:#12322a;--warn:#f0bd66;--warn-bg:#37290f;--bad:#ff9a7e;--bad-bg:#401d14;
--info:#7cc0f2;--info-bg:#132c40;--idle:#9eabb8;--idle-bg:#262e37;--old:#4a5663;--old-ink:#e7ebf0;--new:#46c496;
--new-ink:#06251a;--start-a:#1c3a52;--start-b:#5aa6de;--off-a:#4a3611;--off-b:#c8922f;--win-a:#2d2616;--win-b:#d9a443;
--fail-a:#4d2016;--fail-b:#ff8a6b;--wait:#4d6e93;--lead-a:#3a3160;--lead-b:#4c4180;--lead-ink:#e9e4ff;--hook:#a796ef}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:14px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums;-webkit-text-size-adjust:100%}
main{max-width:1200px;margin:0 auto;padding:24px 20px 48px}
h1,h2,h3,p,dl,dd,ul{margin:0}
h2{font-size:16px;line-height:1.3;font-weight:650;margin-bottom:12px}
.quiet,small{color:var(--quiet)}small{font-size:12.5px}
code,.mono{font:12.5px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;
overflow-wrap:anywhere}
.kicker{display:flex;flex-wrap:wrap;justify-content:space-between;gap:4px 16px;margin-bottom:10px;color:var(--quiet)}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:20px 22px;margin-top:16px}
.banner{border-left:6px solid var(--tone);margin-top:0}
.banner h1{display:flex;gap:12px;align-items:flex-start;font-size:23px;line-height:1.28;font-weight:680;
letter-spacing:-.01em}
.banner h1 svg{flex:none;width:28px;height:28px;margin-top:1px;color:var(--tone)}
.banner .reason{margin-top:8px;font-size:15px;max-width:78ch;overflow-wrap:anywhere}
.answers{display:grid;grid-template-columns:repeat(auto-fit,minmax(250px,1fr));gap:14px 28px;margin-top:16px;
padding-top:16px;border-top:1px solid var(--line)}
.answers h3{font-size:12px;font-weight:650;color:var(--quiet);text-transform:uppercase;letter-spacing:.05em;
margin-bottom:3px}
.answers p,.answers li{overflow-wrap:anywhere}.answers ul{padding-left:18px}
.tone-ok{--tone:var(--ok);--tone-bg:var(--ok-bg)}.tone-warn{--tone:var(--warn);--tone-bg:var(--warn-bg)}
.tone-bad{--tone:var(--bad);--tone-bg:var(--bad-bg)}.tone-info{--tone:var(--info);--tone-bg:var(--info-bg)}
.tone-idle{--tone:var(--idle);--tone-bg:var(--idle-bg)}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:12px;margin-top:12px}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 16px;min-width:0}
.tile dt{font-size:12.5px;color:var(--quiet)}.tile dd{font-size:19px;font-weight:650;line-height:1.35;
overflow-wrap:anywhere}.tile dd+dd{font-size:12.5px;font-weight:400;color:var(--quiet)}
.tile .flag{color:var(--tone)}
.badge{display:inline-block;padding:1px 8px;border-radius:99px;background:var(--tone-bg);color:var(--tone);
font-size:12.5px;font-weight:600;white-space:nowrap}
.alert{background:var(--tone-bg);border:1px solid var(--tone);border-radius:10px;padding:14px 18px;margin-top:12px}
.alert h2{color:var(--tone);margin-bottom:4px}.alert ul{padding-left:18px}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(210px,1fr));gap:10px 24px}
.facts dt{font-size:12.5px;color:var(--quiet)}.facts dd{overflow-wrap:anywhere}
.table{overflow-x:auto;margin:0 -22px;padding:0 22px}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:7px 14px 7px 0;border-bottom:1px solid var(--line)}
th{font-size:12.5px;font-weight:600;color:var(--quiet);white-space:nowrap}
tbody tr:last-child td{border-bottom:0}
td.num,th.num{text-align:right;white-space:nowrap}td.time{white-space:nowrap}
td.wide{min-width:220px;overflow-wrap:anywhere}
details>summary{cursor:pointer;font-weight:600;padding:4px 0}
details+details{margin-top:6px}details .table{margin-top:8px}
footer{margin-top:20px;color:var(--quiet);font-size:12.5px;overflow-wrap:anywhere}
.scroll{overflow-x:auto}
.timeline{display:flex;min-width:880px}
.names{flex:none;width:13.21%;position:sticky;left:0;background:var(--card);z-index:1}
.plot{flex:none;width:86.79%}
.names,.plot,.swatch{display:block}.definitions{position:absolute}
.t{font-size:11px;fill:var(--ink)}.small{font-size:9px}.t.quiet{fill:var(--quiet)}
.t.strong{font-weight:600}.t.head{font-weight:600;fill:var(--quiet)}
.grid{stroke:var(--grid);stroke-width:1}.rule{stroke:var(--line)}.tick{stroke:var(--quiet)}
.old{fill:var(--old)}.on-old{fill:var(--old-ink)}.new{fill:var(--new)}.on-new{fill:var(--new-ink)}
.down{fill:var(--card);stroke:var(--bad);stroke-width:1;stroke-dasharray:3 2}
.down-line{stroke:var(--bad);stroke-width:1.5;stroke-dasharray:2 3}
.starting{fill:url(#fill-starting);stroke:var(--start-b)}.failed{fill:url(#fill-failed);stroke:var(--fail-b)}
.p-starting-a{fill:var(--start-a)}.p-starting-b{fill:var(--start-b)}.p-failed-a{fill:var(--fail-a)}
.p-failed-b{stroke:var(--fail-b);fill:none}.p-off-a{fill:var(--off-a)}.p-off-b{fill:var(--off-b)}
.p-window-a{fill:var(--win-a)}.p-window-b{fill:var(--win-b)}
.on-failed,.on-off,.on-window{paint-order:stroke;stroke:var(--card);stroke-width:4px;stroke-linejoin:round;
font-weight:600}
.off{fill:url(#fill-off);stroke:var(--off-b)}.window{fill:url(#fill-window);stroke:var(--win-b)}
.normal{fill:none;stroke:var(--line)}.on-normal{fill:var(--quiet)}
.leader-a{fill:var(--lead-a)}.leader-b{fill:var(--lead-b)}.on-leader-a,.on-leader-b{fill:var(--lead-ink)}
.hook{fill:var(--hook)}.again{fill:var(--off-b)}
.step-done{fill:var(--idle-bg);stroke:var(--line)}.step-running{fill:var(--info-bg);stroke:var(--info)}
.step-failed{fill:var(--bad-bg);stroke:var(--bad);stroke-width:1.5}
.step-undone{fill:var(--warn-bg);stroke:var(--warn)}.step-skipped{fill:none;stroke:var(--line);stroke-dasharray:3 2}
.wait{fill:var(--wait)}.refused{fill:var(--fail-a);stroke:var(--fail-b)}
.gate-ok{fill:var(--card);stroke:var(--ok);stroke-width:2}.gate-no{fill:var(--fail-b)}
.rollback-area{fill:var(--warn-bg);opacity:.55}
.line-rollback{stroke:var(--warn);stroke-width:1.5}.line-no-return{stroke:var(--bad);stroke-width:1.5;
stroke-dasharray:6 3}.t.rollback{fill:var(--warn);font-weight:600}.t.no-return{fill:var(--bad);font-weight:600}
.legend{display:flex;flex-wrap:wrap;gap:6px 18px;margin-top:14px;padding:0;list-style:none;font-size:12.5px;
color:var(--quiet)}.legend li{display:flex;align-items:center;gap:7px}
@media (max-width:760px){main{padding:14px 12px 32px}.card{padding:16px}.table{margin:0 -16px;padding:0 16px}
.tiles{grid-template-columns:repeat(2,1fr)}.banner h1{font-size:20px}.names{width:128px;flex:none}
.timeline{width:968px}.names{width:128px}.plot{width:840px}}
@media print{@page{margin:12mm}:root{--bg:#fff}body{font-size:11px;-webkit-print-color-adjust:exact;
print-color-adjust:exact}main{max-width:none;padding:0}.card,.tile,.alert{break-inside:avoid}
.card.long{break-inside:auto}tr{break-inside:avoid}.timeline{min-width:0;width:100%}.scroll,.table{overflow:visible}
details::details-content{content-visibility:visible;block-size:auto}}
"""
