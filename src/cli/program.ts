/**
 * The program: its options, its commands, one run of it.
 *
 * @module
 */

import { Command, CommanderError, Option } from "commander";
import { collect, type Register, type Run, whole } from "./arguments.ts";
import { exitCodeOf, INTERRUPTED, messagesOf, OK, USAGE } from "./failure.ts";
import { registerBackupCommands } from "./backup_commands.ts";
import { registerBench } from "./bench.ts";
import { registerFeedCommands } from "./feed_commands.ts";
import { registerKeyCommands } from "./key_commands.ts";
import { runPrompt } from "./prompt.ts";
import { registerServerCommands } from "./server_commands.ts";
import { registerTop } from "./top.ts";
import { type GlobalOptions, HASHES, Session, VARIABLE } from "./session.ts";
import { VERSION } from "./version.ts";
import { ClosedPipe, ProcessTerminal, type Terminal } from "./terminal.ts";

const COMMANDS: readonly Register[] = [
  registerKeyCommands,
  registerServerCommands,
  registerFeedCommands,
  registerBackupCommands,
  registerBench,
];

const HELP = `
Servers: host, host:port, [::1]:port, /path/of/socket, memcached://user:password@host,
memcacheds://host (TLS). Without -s those of ${VARIABLE}, else localhost:11211.
Several: each key is on one of them, placed as HashClient does.

Exit codes: 0, 1 a miss or nothing stored, 2 usage, 3 a server or the network.

Without a command, a prompt for commands.
`;

/** Everything that may be said to the program, for one run of it. */
export function createProgram(
  run: Run,
  write: (text: string) => void,
): Command {
  const program = new Command("memcache")
    .description("memcached from the command line")
    .exitOverride()
    .configureOutput({ writeOut: write, writeErr: write })
    .showSuggestionAfterError(true)
    .addHelpText("after", HELP);
  for (const register of COMMANDS) register(program, run);
  return program;
}

function withGlobalOptions(program: Command): Command {
  const ms = (name: string) => whole(name, 0, 2 ** 31 - 1);
  return program
    .option(
      "-s, --server <address>",
      "a server; several times for several",
      collect,
    )
    .option("--user <name>", "authenticate; asks for the password")
    .option("--password-file <path>", "read the password from a file")
    .option("--tls", "connect by TLS")
    .option(
      "--ca <path>",
      "trust these authorities only, PEM; implies --tls",
      collect,
    )
    .option("--cert <path>", "show this certificate, PEM")
    .option("--key <path>", "its private key, PEM")
    .option(
      "--server-name <name>",
      "the name that the server's certificate has",
    )
    .option("--insecure", "do not verify the server's certificate")
    .addOption(
      new Option("--hash <name>", "how keys are placed on several servers")
        .choices(HASHES).default("rendezvous"),
    )
    .option("--timeout <ms>", "for a command", ms("--timeout"), 5000)
    .option(
      "--connect-timeout <ms>",
      "for a connect",
      ms("--connect-timeout"),
      3000,
    )
    .option("--json", "print JSON")
    .version(VERSION, "-V, --version", "print the version of this program");
}

/** Runs the program once, and says what it came to. */
export async function runProgram(
  args: readonly string[],
  terminal: Terminal = new ProcessTerminal(),
): Promise<number> {
  let code: number = OK;
  let printed = "";
  let session: Session | undefined;
  const interrupt = () => session?.interrupt.abort();
  const forget = terminal.onInterrupt(interrupt);
  const run: Run = async (work) => {
    const opened = await Session.open(terminal, program.opts<GlobalOptions>());
    session = opened;
    code = await Promise.race([work(opened), opened.givenUp()]);
  };
  const program = withGlobalOptions(
    createProgram(run, (text) => printed += text),
  );
  // It needs the terminal for itself: not at the prompt.
  registerTop(program, run);
  const tell = (error: unknown): number => {
    if (session?.interrupt.signal.aborted) return INTERRUPTED;
    for (const line of messagesOf(error)) terminal.warn(`memcache: ${line}`);
    return exitCodeOf(error);
  };
  try {
    await program.parseAsync([...args], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) {
      code = error.exitCode === 0 ? OK : USAGE;
      if (error.code === "commander.help" && code === USAGE) {
        // No command: what it printed is the help.
        printed = "";
        forget();
        code = await runPrompt(
          terminal,
          program.opts<GlobalOptions>(),
          createProgram,
        ).catch(tell);
      }
    } else if (error instanceof ClosedPipe) {
      // Who reads us has enough.
    } else code = tell(error);
  } finally {
    await session?.close();
    forget();
  }
  try {
    const text = printed.replace(/\n$/, "");
    if (code === OK && text !== "") await terminal.print(text);
    else if (text !== "") terminal.warn(text.replace(/^error: /, "memcache: "));
  } catch {
    // Nobody reads it.
  }
  terminal.close();
  return code;
}
