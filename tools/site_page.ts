/**
 * Pages of the documentation as HTML: what `tools/docs.ts` makes of Markdown.
 *
 * @module
 */
import { Marked, type Token } from "marked";

/** A page that has been read. */
export interface Page {
  /** Its first heading. */
  readonly title: string;
  /** What it says, as HTML. */
  readonly body: string;
  /** The files that it shows or links to, by their paths in the checkout. */
  readonly files: readonly string[];
}

/** A link of a page. */
export interface PageLink {
  /** Where it goes, by its path in the site. */
  readonly path: string;
  /** What it says. */
  readonly text: string;
}

/** Escapes text for HTML. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** The path in the site of a file of the checkout. */
export function sitePath(file: string): string {
  return file.replace(/(^|\/)README\.md$/, "$1index.md")
    .replace(/\.md$/, ".html");
}

/** The way from a page of the site to another one. */
export function wayTo(path: string, from: string): string {
  return "../".repeat(from.split("/").length - 1) + path;
}

/** The anchor of a heading, as GitHub makes it. */
function anchorOf(title: string): string {
  return title.toLowerCase().replace(/[^\p{L}\p{N}_\s-]/gu, "").trim()
    .replace(/\s/g, "-");
}

/**
 * Reads a page of the checkout.
 *
 * @param path Its path in the checkout.
 * @param text Its Markdown.
 * @param symbols Where names in code lead to, by their paths in the site.
 */
export function readPage(
  path: string,
  text: string,
  symbols: ReadonlyMap<string, string> = new Map(),
): Page {
  const files = new Set<string>();
  const linked = new WeakSet<Token>();
  const anchors = new Map<string, number>();
  let title = "";
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth }) {
        const words = this.parser.parseInline(tokens, this.parser.textRenderer);
        if (depth === 1) title ||= words;
        const anchor = anchorOf(words);
        const before = anchors.get(anchor) ?? 0;
        anchors.set(anchor, before + 1);
        const id = before === 0 ? anchor : `${anchor}-${before}`;
        const inner = this.parser.parseInline(tokens);
        return `<h${depth} id="${id}">${inner}</h${depth}>\n`;
      },
      codespan(token) {
        const code = `<code>${escapeHtml(token.text)}</code>`;
        const symbol = symbols.get(token.text);
        return symbol === undefined || linked.has(token)
          ? code
          : `<a href="${wayTo(symbol, path)}">${code}</a>`;
      },
      code({ text, lang = "" }) {
        const [language = ""] = lang.split(" ");
        const name = /\S+\.\w+$/.exec(lang)?.[0];
        const caption = name === undefined
          ? ""
          : `<p class="file">${escapeHtml(name)}</p>\n`;
        return `${caption}<pre class="language-${language}">` +
          `<code class="language-${language}">${
            escapeHtml(text)
          }</code></pre>\n`;
      },
    },
  });
  const tokens = marked.lexer(text);
  marked.walkTokens(tokens, (token) => {
    // What is part of a link already cannot be another one.
    if (token.type === "link" || token.type === "heading") {
      marked.walkTokens(token.tokens ?? [], (inner) => {
        linked.add(inner);
      });
    }
    if (token.type !== "link" && token.type !== "image") return;
    const href: string = token.href;
    if (/^(?:\w+:|#)/.test(href)) return;
    const { pathname, hash } = new URL(href, `file:///${path}`);
    const file = pathname.slice(1);
    files.add(file);
    token.href = wayTo(sitePath(file), path) + hash;
  });
  // The title is known once the body has been made.
  const body = marked.parser(tokens);
  return { title, body, files: [...files] };
}

const STYLE = `
  :root { color-scheme: light; --text: #1f2328; --back: #fff; --dim: #59636e;
    --line: #d0d7de; --code: #f6f8fa; --link: #0b5cad; }
  :root.dark { color-scheme: dark; --text: #f0f6fc; --back: #0d1117;
    --dim: #9198a1; --line: #3d444d; --code: #151b23; --link: #6cb6ff; }
  body { margin: 0; background: var(--back); color: var(--text);
    font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
  a { color: var(--link); }
  header, main { max-width: 62rem; margin: 0 auto; padding: 0 1.2rem; }
  header { padding-top: 1rem; border-bottom: 1px solid var(--line); }
  nav a { display: inline-block; margin: 0 1rem .5rem 0; }
  nav a[aria-current] { color: var(--text); text-decoration: none; }
  nav.guide { font-size: .9rem; }
  main { padding-bottom: 4rem; }
  h1, h2, h3 { line-height: 1.25; margin: 2rem 0 .8rem; }
  pre, code { font: .875rem/1.5 ui-monospace, Consolas, monospace; }
  pre { background: var(--code); padding: .8rem 1rem; overflow-x: auto; }
  :not(pre) > code { background: var(--code); padding: .1em .3em; }
  .file { margin: 1rem 0 -.8rem; color: var(--dim); font-size: .875rem; }
  table { display: block; overflow-x: auto; border-collapse: collapse; }
  th, td { border: 1px solid var(--line); padding: .35rem .7rem;
    text-align: left; vertical-align: top; }
  img { max-width: 100%; }
`;

// The theme is the one that was chosen in the pages of the API, if one was.
const THEME = `
  const theme = localStorage.getItem("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  if (theme === null ? dark : theme === "dark") {
    document.documentElement.classList.add("dark");
  }
`;

/** Makes links to pages of the site, the one to the page itself marked. */
export function linksTo(links: readonly PageLink[], from: string): string {
  return links.map(({ path, text }) => {
    const current = path === from ? ' aria-current="page"' : "";
    return `<a href="${wayTo(path, from)}"${current}>${escapeHtml(text)}</a>`;
  }).join("\n");
}

/**
 * Makes the HTML of a page.
 *
 * @param path Its path in the site.
 * @param page What it says.
 * @param links The main parts of the site.
 * @param guide The pages of the guide, on those themselves.
 */
export function showPage(
  path: string,
  { title, body }: Page,
  links: readonly PageLink[],
  guide: readonly PageLink[],
): string {
  const pages = guide.length === 0
    ? ""
    : `<nav class="guide" aria-label="Guide">\n${linksTo(guide, path)}\n</nav>`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<script>${THEME}</script>
<link rel="stylesheet" href="${wayTo("api/prism.css", path)}">
<style>${STYLE}</style>
<script src="${wayTo("api/prism.js", path)}" defer></script>
</head>
<body>
<header>
<nav aria-label="Site">
${linksTo(links, path)}
</nav>
${pages}
</header>
<main>
${body}</main>
</body>
</html>
`;
}
