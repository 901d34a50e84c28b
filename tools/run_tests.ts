// Runs the tests on Deno: the sources, the examples in the documentation, and
// the coverage of src. With arguments (files, --filter …) coverage is not judged.
const root = `${import.meta.dirname}/..`;

async function deno(...args: string[]): Promise<void> {
  const command = new Deno.Command(Deno.execPath(), { args, cwd: root });
  const { code } = await command.spawn().status;
  if (code !== 0) Deno.exit(code);
}

await deno(
  ...["test", "--allow-all", "--doc", "--junit-path=.out/deno.xml"],
  ...["--clean", "--coverage=.cov", "--coverage-raw-data-only"],
  ...Deno.args,
);
if (Deno.args.length === 0) await deno("coverage", "--include=/src/", ".cov");
