"use strict";(self.rspackChunknbops=self.rspackChunknbops||[]).push([[232],{475(o,e,n){var r=n(601),t=n.n(r),p=n(314),a=(n.n(p))()(t());a.push([o.id,`/* Only colours and sizes of the theme; every rule is about nodes of our own. */

/* The theme's signal colours are numbered by strength: the strongest is for light paper, a paler one for dark. */
body {
  --nbops-good: var(--jp-success-color0);
  --nbops-bad: var(--jp-error-color0);
  --nbops-running: var(--jp-brand-color0);
  /* The theme's orange is too pale to be read on light paper. */
  --nbops-late: color-mix(in srgb, var(--jp-warn-color0) 55%, var(--jp-ui-font-color0));
}

body[data-jp-theme-light='false'] {
  --nbops-good: var(--jp-success-color2);
  --nbops-bad: var(--jp-error-color2);
  --nbops-running: var(--jp-brand-color2);
}

.nbops-Unseen {
  position: absolute;
  width: 1px;
  height: 1px;
  overflow: hidden;
  clip-path: inset(50%);
  white-space: nowrap;
}

.nbops-Quiet {
  color: var(--jp-ui-font-color1);
  opacity: 0.8;
}

.nbops-Link {
  padding: 0;
  border: 0;
  background: none;
  color: var(--jp-content-link-color);
  font: inherit;
  text-align: left;
  cursor: pointer;
}

/* The theme gives links that are none of a notebook's no colour. */
a.nbops-Link {
  color: var(--jp-content-link-color);
}

.nbops-Link:hover {
  text-decoration: underline;
}

.nbops-Link:focus-visible,
.nbops-Line:focus-visible,
.nbops-Scroll:focus-visible,
.nbops-Tables:focus-visible,
.nbops-List summary:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: -2px;
}

.nbops-Button[aria-disabled='true'] {
  opacity: 0.6;
  cursor: not-allowed;
}

.nbops-Count {
  margin-left: 6px;
  padding: 0 6px;
  border-radius: 8px;
  background: var(--jp-layout-color3);
  color: var(--jp-ui-font-color0);
  font-size: var(--jp-ui-font-size0);
  font-weight: 400;
}

.nbops-Status {
  display: inline-flex;
  gap: 4px;
  flex: 0 0 auto;
}

.nbops-Status > :first-child:not(.nbops-Unseen) {
  width: 14px;
  font-weight: 700;
  text-align: center;
}

.nbops-mod-finished > :first-child,
.nbops-mod-done > :first-child,
.nbops-mod-unchanged > :first-child,
.nbops-mod-healed > :first-child,
.nbops-mod-approved > :first-child,
.nbops-mod-healthy > :first-child,
.nbops-mod-fresh > :first-child {
  color: var(--nbops-good);
}

.nbops-mod-failed > :first-child,
.nbops-mod-lost > :first-child,
.nbops-mod-rejected > :first-child,
.nbops-mod-failing > :first-child,
.nbops-mod-in-trouble > :first-child,
.nbops-mod-page > :first-child,
.nbops-mod-unreadable > :first-child {
  color: var(--nbops-bad);
}

.nbops-mod-late > :first-child,
.nbops-mod-degraded > :first-child,
.nbops-mod-waiting > :first-child,
.nbops-mod-parked > :first-child,
.nbops-mod-blocked > :first-child,
.nbops-mod-open > :first-child,
.nbops-mod-sent-back > :first-child,
.nbops-mod-unchecked > :first-child,
.nbops-mod-doubtful > :first-child,
.nbops-mod-warn > :first-child,
.nbops-mod-never > :first-child {
  color: var(--nbops-late);
}

.nbops-mod-running > :first-child {
  color: var(--nbops-running);
}

.nbops-Notice {
  margin: 8px;
  padding: 8px 10px;
  border: 1px solid var(--jp-border-color1);
  border-left: 4px solid var(--jp-info-color1);
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color0);
  line-height: 1.4;
  overflow-wrap: anywhere;
}

.nbops-Notice p {
  margin: 4px 0 8px;
}

.nbops-Notice pre {
  margin: 6px 0;
  padding: 6px;
  background: var(--jp-layout-color2);
  font-family: var(--jp-code-font-family);
  font-size: var(--jp-code-font-size);
}

.nbops-Notice.nbops-mod-warning {
  border-left-color: var(--jp-warn-color1);
}

.nbops-Notice.nbops-mod-error {
  border-left-color: var(--jp-error-color1);
}

.nbops-Skeleton {
  padding: 12px;
}

.nbops-Skeleton-line {
  height: 14px;
  margin-bottom: 10px;
  border-radius: 4px;
  background: var(--jp-layout-color3);
}

.nbops-Skeleton-line:nth-child(odd) {
  width: 75%;
}

/* The sidebar */

.nbops-Panel {
  min-width: 220px;
  overflow: auto;
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color0);
  font-size: var(--jp-ui-font-size1);
}

.nbops-Panel-head {
  position: sticky;
  top: 0;
  z-index: 1;
  padding: 8px;
  border-bottom: 1px solid var(--jp-border-color2);
  background: var(--jp-layout-color1);
}

.nbops-Panel-title {
  display: flex;
  justify-content: space-between;
  gap: 8px;
  margin-bottom: 6px;
  font-weight: 600;
}

.nbops-Panel-title > :first-child {
  overflow: hidden;
  text-overflow: ellipsis;
  white-space: nowrap;
}

.nbops-Actions {
  display: flex;
  flex: 0 0 auto;
  gap: 10px;
  font-weight: 400;
}

.nbops-Filter.jp-mod-styled {
  width: 100%;
  height: 28px;
  box-sizing: border-box;
  padding: 0 8px;
  font-size: var(--jp-ui-font-size1);
}

.nbops-List summary {
  padding: 6px 8px;
  border-bottom: 1px solid var(--jp-border-color2);
  background: var(--jp-layout-color2);
  font-weight: 600;
  cursor: pointer;
}

.nbops-Count.nbops-mod-urgent {
  background: var(--nbops-bad);
  color: var(--jp-ui-inverse-font-color0);
}

.nbops-List ul {
  margin: 0;
  padding: 0;
  list-style: none;
}

.nbops-Line {
  display: flex;
  gap: 6px;
  align-items: center;
  width: 100%;
  height: 26px;
  padding: 0 8px;
  border: 0;
  background: none;
  color: inherit;
  font: inherit;
  text-align: left;
  cursor: pointer;
}

.nbops-Line:hover {
  background: var(--jp-layout-color2);
}

.nbops-Line-name {
  flex: 1 1 auto;
  overflow: hidden;
  text-overflow: ellipsis;
  white-space: nowrap;
}

.nbops-Line-end {
  flex: 0 0 auto;
  color: var(--jp-ui-font-color1);
  white-space: nowrap;
}

.nbops-Line-where {
  min-width: 52px;
  text-align: right;
}

.nbops-Line.nbops-mod-sentence {
  align-items: baseline;
  height: auto;
  padding: 4px 8px;
  line-height: 1.35;
}

/* A message may be long: all of it is on the page that the line opens. */
.nbops-Line-sentence {
  display: -webkit-box;
  overflow: hidden;
  overflow-wrap: anywhere;
  -webkit-box-orient: vertical;
  -webkit-line-clamp: 3;
}

.nbops-Line-end.nbops-Aside {
  color: var(--nbops-late);
}

.nbops-Empty {
  padding: 8px;
  color: var(--jp-ui-font-color1);
}

.lm-TabBar-tab[data-nbops-count] {
  position: relative;
}

.lm-TabBar-tab[data-nbops-count]::before {
  content: attr(data-nbops-count);
  position: absolute;
  inset: 4px 2px auto auto;
  min-width: 8px;
  padding: 0 3px;
  border-radius: 7px;
  background: var(--nbops-bad);
  color: var(--jp-ui-inverse-font-color0);
  font-size: 10px;
  line-height: 14px;
  text-align: center;
}

.nbops-StatusItem-button {
  height: 100%;
  padding: 0 6px;
  border: 0;
  background: none;
  color: var(--jp-ui-font-color1);
  font: inherit;
  font-size: var(--jp-ui-font-size1);
  cursor: pointer;
}

.nbops-StatusItem-button:hover {
  background: var(--jp-layout-color3);
}

/* The views of the main area */

.nbops-Page {
  overflow: auto;
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color0);
  font-size: var(--jp-ui-font-size1);
  line-height: 1.4;
}

.nbops-Page:focus {
  outline: none;
}

.nbops-Page-content {
  box-sizing: border-box;
  max-width: 1400px;
  padding: 16px 20px;
}

.nbops-Head h1 {
  margin: 0;
  font-size: var(--jp-ui-font-size3);
  font-weight: 600;
  overflow-wrap: anywhere;
}

.nbops-Head h1 code {
  font-size: var(--jp-ui-font-size1);
  font-weight: 400;
}

.nbops-Head .nbops-Notice {
  margin: 10px 0;
}

.nbops-Facts {
  display: flex;
  flex-wrap: wrap;
  gap: 2px 14px;
  margin: 6px 0;
}

.nbops-Buttons {
  display: flex;
  flex-wrap: wrap;
  gap: 8px;
  align-items: center;
  margin: 10px 0;
}

.nbops-Button.jp-mod-styled {
  height: 28px;
  margin: 0;
  padding: 0 12px;
  line-height: 26px;
}

.nbops-Button.jp-mod-styled:not(.jp-mod-accept) {
  border: 1px solid var(--jp-border-color0);
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color0);
}

.nbops-Button.jp-mod-styled:not(.jp-mod-accept):hover {
  background: var(--jp-layout-color2);
}

.nbops-Button.jp-mod-styled:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: 2px;
}

.nbops-Check {
  display: inline-flex;
  gap: 6px;
  align-items: center;
}

.nbops-Section {
  min-width: 0;
  margin: 18px 0;
}

.nbops-Section h2 {
  margin: 0 0 6px;
  font-size: var(--jp-ui-font-size2);
  font-weight: 600;
}

.nbops-Columns {
  display: grid;
  grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr));
  gap: 0 24px;
  align-items: start;
}

.nbops-Columns .nbops-Section {
  margin: 10px 0;
}

.nbops-Scroll {
  max-height: 480px;
  overflow: auto;
}

.nbops-Table {
  border-collapse: collapse;
  font-variant-numeric: tabular-nums;
}

.nbops-Table th,
.nbops-Table td {
  padding: 4px 14px 4px 0;
  border-bottom: 1px solid var(--jp-border-color2);
  text-align: left;
  vertical-align: top;
}

.nbops-Table td {
  max-width: 420px;
  overflow-wrap: break-word;
}

.nbops-Table td.nbops-Prose {
  max-width: 80ch;
}

.nbops-Section .nbops-Tables {
  margin-top: 12px;
}

.nbops-Health {
  max-width: 92ch;
  overflow-wrap: anywhere;
}

.nbops-Table thead th {
  position: sticky;
  top: 0;
  background: var(--jp-layout-color1);
  white-space: nowrap;
}

.nbops-Table tbody th {
  font-weight: 400;
  white-space: nowrap;
}

.nbops-Table .nbops-Number {
  text-align: right;
  white-space: nowrap;
}

.nbops-Table .nbops-Moment {
  white-space: nowrap;
}

.nbops-Table .nbops-Group th {
  padding-top: 12px;
  font-weight: 600;
}

.nbops-Table td.nbops-mod-changed,
.nbops-Table td.nbops-mod-best {
  font-weight: 700;
}

.nbops-Best {
  margin-left: 6px;
  padding: 0 5px;
  border: 1px solid var(--nbops-good);
  border-radius: 8px;
  font-size: var(--jp-ui-font-size0);
  font-weight: 400;
}

.nbops-Input {
  display: block;
  white-space: nowrap;
}

.nbops-Plain {
  margin: 0;
  padding: 0;
  list-style: none;
}

.nbops-Drawn {
  overflow-x: auto;
  color: var(--jp-ui-font-color0);
}

.nbops-Tables {
  overflow-x: auto;
}

/* Each of the tables would scroll by itself, where no key gets to. */
.nbops-Tables :is(.nbops-Drawn, div) {
  overflow-x: visible !important;
}

/* What is long was cut by the server. */
.nbops-Tables td {
  white-space: nowrap;
}

.nbops-Progress,
.nbops-Cause {
  margin: 12px 0;
  padding: 10px 12px;
  border: 1px solid var(--jp-border-color1);
  border-left: 4px solid var(--jp-brand-color1);
}

.nbops-Progress progress {
  width: 100%;
  accent-color: var(--jp-brand-color1);
}

.nbops-Progress pre,
.nbops-Cause pre {
  margin: 6px 0;
  font-family: var(--jp-code-font-family);
  font-size: var(--jp-code-font-size);
  white-space: pre-wrap;
  overflow-wrap: anywhere;
}

.nbops-Cause {
  border-left-color: var(--jp-error-color1);
}

/* Comparison */

.nbops-Beside {
  display: grid;
  gap: 10px;
}

.nbops-Beside.nbops-mod-2 {
  grid-template-columns: repeat(2, minmax(0, 1fr));
}

.nbops-Beside.nbops-mod-3 {
  grid-template-columns: repeat(3, minmax(0, 1fr));
}

.nbops-Beside.nbops-mod-4 {
  grid-template-columns: repeat(4, minmax(0, 1fr));
}

.nbops-Beside-head {
  position: sticky;
  top: 0;
  z-index: 1;
  padding: 6px 0;
  background: var(--jp-layout-color1);
  font-weight: 600;
}

.nbops-Cell {
  margin-bottom: 12px;
  border-top: 1px solid var(--jp-border-color2);
}

.nbops-Source pre {
  margin: 6px 0 0;
  padding: 6px 8px;
  border: 1px solid var(--jp-cell-editor-border-color);
  background: var(--jp-cell-editor-background);
  color: var(--jp-content-font-color0);
  font-family: var(--jp-code-font-family);
  font-size: var(--jp-code-font-size);
  line-height: var(--jp-code-line-height);
  overflow-x: auto;
}

.nbops-Source .nbops-mod-only {
  background: var(--jp-warn-color3);
  color: var(--jp-content-font-color0);
}

[data-jp-theme-light='false'] .nbops-Source .nbops-mod-only {
  background: var(--jp-layout-color3);
}

.nbops-Outputs {
  max-height: 480px;
  overflow: auto;
}

.nbops-Outputs .jp-OutputPrompt {
  display: none;
}

/* Report */

.nbops-mod-report {
  overflow: hidden;
}

.nbops-mod-report > .nbops-Page-content,
.nbops-mod-report .nbops-Loaded {
  display: flex;
  flex-direction: column;
  max-width: none;
  height: 100%;
  padding: 0;
}

.nbops-Bar {
  flex: 0 0 auto;
  margin: 0;
  padding: 6px 12px;
  border-bottom: 1px solid var(--jp-border-color2);
}

.nbops-Frame {
  flex: 1 1 auto;
  width: 100%;
  border: 0;
  background: white;
}

/* Dialogs */

.nbops-Modal {
  width: min(640px, 92vw);
  max-height: 88vh;
  margin: auto;
  padding: 0;
  border: 1px solid var(--jp-border-color1);
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color0);
  font-family: var(--jp-ui-font-family);
  font-size: var(--jp-ui-font-size1);
  line-height: 1.4;
  box-shadow: var(--jp-elevation-z24);
}

.nbops-Modal:focus-visible {
  outline: none;
}

.nbops-Modal::backdrop {
  background: var(--jp-dialog-background);
}

.nbops-Modal-frame {
  display: flex;
  flex-direction: column;
  max-height: 88vh;
  box-sizing: border-box;
  padding: 18px 20px;
}

.nbops-Modal h1 {
  margin: 0 0 10px;
  font-size: var(--jp-ui-font-size3);
  font-weight: 600;
  overflow-wrap: anywhere;
}

.nbops-Modal-body {
  display: flex;
  flex: 1 1 auto;
  flex-direction: column;
  min-height: 0;
}

.nbops-Modal-scroll {
  flex: 1 1 auto;
  min-height: 120px;
  padding: 4px 2px;
  overflow-y: auto;
}

.nbops-Modal-foot {
  display: flex;
  flex: 0 0 auto;
  gap: 8px;
  align-items: center;
  justify-content: flex-end;
  padding-top: 12px;
}

.nbops-Modal-foot > [role='status'] {
  flex: 1 1 auto;
}

.nbops-Modes {
  display: flex;
  flex-wrap: wrap;
  gap: 4px 18px;
  margin: 0 0 12px;
  padding: 0;
  border: 0;
}

.nbops-Field {
  display: grid;
  grid-template-columns: minmax(90px, 160px) minmax(0, 1fr);
  gap: 10px;
  margin-bottom: 8px;
}

.nbops-Field > label {
  padding-top: 5px;
  font-family: var(--jp-code-font-family);
  overflow-wrap: anywhere;
}

.nbops-Field p {
  margin: 2px 0 0;
  font-size: var(--jp-ui-font-size0);
}

.nbops-Field input.jp-mod-styled,
.nbops-Field select.jp-mod-styled,
.nbops-Field textarea.jp-mod-styled {
  box-sizing: border-box;
  width: min(320px, 70%);
  height: 28px;
  margin-right: 10px;
  padding: 0 8px;
  border: 1px solid var(--jp-border-color0);
  vertical-align: middle;
  background: var(--jp-input-background);
  color: var(--jp-ui-font-color0);
  font-family: var(--jp-ui-font-family);
  font-size: var(--jp-ui-font-size1);
}

.nbops-Field textarea.jp-mod-styled {
  height: auto;
  min-height: 28px;
  padding: 4px 8px;
  resize: vertical;
}

.nbops-Field select.jp-mod-styled {
  appearance: auto;
}

.nbops-Field input[type='checkbox'] {
  margin: 7px 10px 0 0;
}

.nbops-Field.nbops-mod-wrong :is(input, select, textarea).jp-mod-styled {
  border-color: var(--jp-error-color1);
}

.nbops-Field .nbops-Problem {
  color: var(--nbops-bad);
  font-size: var(--jp-ui-font-size1);
}

.nbops-Command {
  display: grid;
  grid-template-columns: minmax(0, 1fr) auto;
  gap: 4px 8px;
  align-items: start;
  margin-top: 12px;
}

.nbops-Command > span {
  grid-column: 1 / -1;
}

.nbops-Command pre {
  min-height: 18px;
  margin: 0;
  padding: 6px 8px;
  background: var(--jp-layout-color2);
  color: var(--jp-ui-font-color0);
  font-family: var(--jp-code-font-family);
  font-size: var(--jp-code-font-size);
  white-space: pre-wrap;
  overflow-wrap: anywhere;
}

/* What is written for others to read has room; what is decided on scrolls above it. */
.nbops-Reason {
  flex: 0 0 auto;
  padding: 10px 2px 0;
}

.nbops-Reason label {
  display: block;
  margin-bottom: 4px;
}

.nbops-Reason textarea.jp-mod-styled {
  box-sizing: border-box;
  width: 100%;
  height: auto;
  padding: 6px 8px;
  border: 1px solid var(--jp-border-color0);
  background: var(--jp-input-background);
  color: var(--jp-ui-font-color0);
  font-family: var(--jp-ui-font-family);
  font-size: var(--jp-ui-font-size1);
  line-height: 1.4;
  resize: vertical;
}

.nbops-Field.nbops-mod-words > label {
  font-family: inherit;
}

.nbops-When {
  margin: 0 0 8px;
  padding: 0;
  border: 0;
}

.nbops-Gate h2,
.nbops-Modal-scroll h2 {
  margin: 12px 0 6px;
  font-size: var(--jp-ui-font-size2);
  font-weight: 600;
}

/* Sentences of the gate are read, not scrolled along. */
.nbops-Modal .nbops-Tables td,
.nbops-Modal .nbops-Tables li {
  white-space: normal;
}

.nbops-Choice {
  display: flex;
  gap: 8px;
  align-items: center;
  padding: 4px 2px;
}

.nbops-Choice:hover {
  background: var(--jp-layout-color2);
}

@media (forced-colors: active) {
  .nbops-Count,
  .nbops-Best {
    border: 1px solid;
  }
}

/* The graph of a pipeline, whose boxes are buttons. */
.nbops-Graph {
  margin: 8px 0;
  padding: 2px;
}

.nbops-Graph [data-nbops-task]:focus {
  outline: none;
}

.nbops-Graph [data-nbops-task]:is(:hover, :focus-visible, [aria-pressed='true']) > rect:first-of-type {
  stroke: var(--jp-brand-color1);
  stroke-opacity: 1;
}

.nbops-Graph [data-nbops-task]:focus-visible > rect:first-of-type {
  stroke-width: 3;
}

.nbops-Choices {
  display: flex;
  flex-wrap: wrap;
  gap: 4px;
}

.nbops-Choices > .nbops-Button.jp-mod-styled[aria-pressed='true'] {
  border-color: var(--jp-brand-color1);
  background: var(--jp-layout-color2);
  font-weight: 600;
}

.nbops-Chosen {
  margin: 8px 0;
  padding: 4px 12px;
  border-left: 3px solid var(--jp-border-color1);
}

.nbops-Mistakes {
  margin: 0;
  padding: 0;
  list-style: none;
}

.nbops-Mistakes > li {
  margin: 8px 0;
  padding: 4px 12px;
  border-left: 3px solid var(--nbops-bad);
}

.nbops-Mistakes p {
  margin: 2px 0;
  overflow-wrap: anywhere;
}
`,""]),n.d(e,{},{A:a})},314(o){o.exports=function(o){var e=[];return e.toString=function(){return this.map(function(e){var n="",r=void 0!==e[5];return e[4]&&(n+="@supports (".concat(e[4],") {")),e[2]&&(n+="@media ".concat(e[2]," {")),r&&(n+="@layer".concat(e[5].length>0?" ".concat(e[5]):""," {")),n+=o(e),r&&(n+="}"),e[2]&&(n+="}"),e[4]&&(n+="}"),n}).join("")},e.i=function(o,n,r,t,p){"string"==typeof o&&(o=[[null,o,void 0]]);var a={};if(r)for(var i=0;i<this.length;i++){var s=this[i][0];null!=s&&(a[s]=!0)}for(var l=0;l<o.length;l++){var d=[].concat(o[l]);r&&a[d[0]]||(void 0!==p&&(void 0===d[5]||(d[1]="@layer".concat(d[5].length>0?" ".concat(d[5]):""," {").concat(d[1],"}")),d[5]=p),n&&(d[2]&&(d[1]="@media ".concat(d[2]," {").concat(d[1],"}")),d[2]=n),t&&(d[4]?(d[1]="@supports (".concat(d[4],") {").concat(d[1],"}"),d[4]=t):d[4]="".concat(t)),e.push(d))}},e}},601(o){o.exports=function(o){return o[1]}},72(o){var e=[];function n(o){for(var n=-1,r=0;r<e.length;r++)if(e[r].identifier===o){n=r;break}return n}function r(o,r){for(var t={},p=[],a=0;a<o.length;a++){var i=o[a],s=r.base?i[0]+r.base:i[0],l=t[s]||0,d="".concat(s," ").concat(l);t[s]=l+1;var b=n(d),c={css:i[1],media:i[2],sourceMap:i[3],supports:i[4],layer:i[5]};if(-1!==b)e[b].references++,e[b].updater(c);else{var f=function(o,e){var n=e.domAPI(e);return n.update(o),function(e){e?(e.css!==o.css||e.media!==o.media||e.sourceMap!==o.sourceMap||e.supports!==o.supports||e.layer!==o.layer)&&n.update(o=e):n.remove()}}(c,r);r.byIndex=a,e.splice(a,0,{identifier:d,updater:f,references:1})}p.push(d)}return p}o.exports=function(o,t){var p=r(o=o||[],t=t||{});return function(o){o=o||[];for(var a=0;a<p.length;a++){var i=n(p[a]);e[i].references--}for(var s=r(o,t),l=0;l<p.length;l++){var d=n(p[l]);0===e[d].references&&(e[d].updater(),e.splice(d,1))}p=s}}},659(o){var e={};o.exports=function(o,n){var r=function(o){if(void 0===e[o]){var n=document.querySelector(o);if(window.HTMLIFrameElement&&n instanceof window.HTMLIFrameElement)try{n=n.contentDocument.head}catch(o){n=null}e[o]=n}return e[o]}(o);if(!r)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");r.appendChild(n)}},540(o){o.exports=function(o){var e=document.createElement("style");return o.setAttributes(e,o.attributes),o.insert(e,o.options),e}},56(o,e,n){o.exports=function(o){var e=n.nc;e&&o.setAttribute("nonce",e)}},825(o){o.exports=function(o){if("u"<typeof document)return{update:function(){},remove:function(){}};var e=o.insertStyleElement(o);return{update:function(n){var r,t,p;r="",n.supports&&(r+="@supports (".concat(n.supports,") {")),n.media&&(r+="@media ".concat(n.media," {")),(t=void 0!==n.layer)&&(r+="@layer".concat(n.layer.length>0?" ".concat(n.layer):""," {")),r+=n.css,t&&(r+="}"),n.media&&(r+="}"),n.supports&&(r+="}"),(p=n.sourceMap)&&"u">typeof btoa&&(r+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(p))))," */")),o.styleTagTransform(r,e,o.options)},remove:function(){var o;null===(o=e).parentNode||o.parentNode.removeChild(o)}}}},113(o){o.exports=function(o,e){if(e.styleSheet)e.styleSheet.cssText=o;else{for(;e.firstChild;)e.removeChild(e.firstChild);e.appendChild(document.createTextNode(o))}}},579(o,e,n){var r=n(72),t=n.n(r),p=n(825),a=n.n(p),i=n(659),s=n.n(i),l=n(56),d=n.n(l),b=n(540),c=n.n(b),f=n(113),u=n.n(f),h=n(475),g={};g.styleTagTransform=u(),g.setAttributes=d(),g.insert=s().bind(null,"head"),g.domAPI=a(),g.insertStyleElement=c(),t()(h.A,g),h.A&&h.A.locals&&h.A.locals}}]);