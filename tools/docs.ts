/**
 * Builds the documentation as a site: the API by `deno doc --html`, the guide
 * and the other pages beside it. `deno task docs:html` writes .out/site.
 *
 * Pages are where they are in the checkout, `README.md` as `index.html`; the API
 * is under `api/`, an entry `./x` under `api/x/`.
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };
import {
  escapeHtml,
  type Page,
  type PageLink,
  readPage,
  showPage,
  sitePath,
  wayTo,
} from "./site_page.ts";

const ROOT = new URL("..", import.meta.url).pathname;

const ENTRIES: readonly PageLink[] = Object.keys(config.exports).map(
  (entry) => ({
    path: `api/${entry.slice(2)}/index.html`.replace("//", "/"),
    text: config.name + entry.slice(1),
  }),
);

/** The parts of the site, as every page has them at its top. */
const PARTS: readonly PageLink[] = [
  { path: "index.html", text: config.name },
  { path: "docs/index.html", text: "Guide" },
  { path: "api/index.html", text: "API" },
  { path: "ARCHITECTURE.html", text: "Architecture" },
  { path: "CHANGELOG.html", text: "Changelog" },
];

/** The pages of a folder of the checkout, by their paths. */
async function listPages(folder: string): Promise<string[]> {
  const pages: string[] = [];
  for await (const { name } of Deno.readDir(ROOT + folder)) {
    if (name.endsWith(".md")) pages.push(folder + name);
  }
  return pages.sort();
}

async function write(file: string, content: string): Promise<void> {
  await Deno.mkdir(file.replace(/[^/]+$/, ""), { recursive: true });
  await Deno.writeTextFile(file, content);
}

/** Has Deno document the entries. */
async function documentApi(folder: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["doc", "--html", `--name=${config.name}`, `--output=${folder}`],
      ...Object.values(config.exports),
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** Where the public symbols are documented, those of the main entry first. */
async function listSymbols(out: string): Promise<Map<string, string>> {
  const symbols = new Map<string, string>();
  for (const { path } of ENTRIES) {
    const folder = path.replace("index.html", "~");
    for await (const { name } of Deno.readDir(`${out}/${folder}`)) {
      const [symbol, ...others] = name.split(".");
      // A member of a symbol has more than one dot in its name.
      if (others.length > 1 || symbols.has(symbol)) continue;
      symbols.set(symbol, `${folder}/${name}`);
    }
  }
  return symbols;
}

/**
 * Makes a page of the API one that may be anywhere: without links to files of
 * this machine, and with the names of pages that a server would add.
 */
function settle(html: string): string {
  return html
    .replace(/<a\s+class="sourceButton"\s+href="file:[^"]*">.*?<\/a>/gs, "")
    .replace(/ href="((?:\.{1,2}(?:\/|&#x2F;))+)"/g, ' href="$1index.html"');
}

/** Puts links to the guide and to all entries at the top of the API's pages. */
async function linkBack(out: string, folder: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(`${out}/${folder}`)) {
    const path = `${folder}/${name}`;
    if (isDirectory) await linkBack(out, path);
    if (!name.endsWith(".html")) continue;
    const links = [...PARTS.slice(0, 2), ...ENTRIES].map(({ path: to, text }) =>
      `<a href="${wayTo(to, path)}" class="contextLink">${escapeHtml(text)}</a>`
    );
    const html = settle(await Deno.readTextFile(`${out}/${path}`));
    const top = html.indexOf('<nav id="topnav">');
    // Pages that only send on to another one have no top.
    if (top < 0) continue;
    const style = "display: flex; flex-wrap: wrap; gap: 0 1rem; padding: .5rem";
    const nav = `<nav id="site" style="${style}">${links.join(" ")}</nav>`;
    const page = `${html.slice(0, top)}${nav}\n${html.slice(top)}`;
    await Deno.writeTextFile(`${out}/${path}`, page);
  }
}

/** The pages of the guide, in the order of its index. */
function listGuide(pages: ReadonlyMap<string, Page>): PageLink[] {
  const listed = pages.get("docs/README.md")?.files ?? [];
  return listed.filter((file) => /^docs\/.*\.md$/.test(file)).map((file) => ({
    path: sitePath(file),
    text: pages.get(file)?.title ?? file,
  }));
}

/**
 * Builds the site.
 *
 * @param out The folder to write; what is in it is removed before.
 */
export async function buildSite(out: string): Promise<void> {
  await Deno.remove(out, { recursive: true }).catch(() => {});
  await Deno.mkdir(out, { recursive: true });
  await documentApi(`${out}/api`);
  await linkBack(out, "api");
  const symbols = await listSymbols(out);
  const pages = new Map<string, Page>();
  const files = new Set([...await listPages(""), ...await listPages("docs/")]);
  // A set is gone through with what is added meanwhile: pages that pages name.
  for (const file of files) {
    if (!file.endsWith(".md")) continue;
    const text = await Deno.readTextFile(ROOT + file);
    const page = readPage(file, text, symbols);
    pages.set(file, page);
    for (const linked of page.files) files.add(linked);
  }
  const guide = listGuide(pages);
  for (const [file, page] of pages) {
    const path = sitePath(file);
    const beside = file.startsWith("docs/") ? guide : [];
    await write(`${out}/${path}`, showPage(path, page, PARTS, beside));
  }
  for (const file of files) {
    if (pages.has(file)) continue;
    const folder = `${out}/${file}`.replace(/[^/]+$/, "");
    await Deno.mkdir(folder, { recursive: true });
    await Deno.copyFile(ROOT + file, `${out}/${file}`);
  }
}

if (import.meta.main) {
  await buildSite(`${ROOT}.out/site`);
  console.log(".out/site/index.html");
}
