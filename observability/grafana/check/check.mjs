// Compares every dashboard with the types that Grafana publishes: a member that is misspelt, or has a value that Grafana does not
// know, would only be found by somebody who looks at the graph. Members may be left out, as Grafana has defaults for all of them.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import ts from "typescript";

const here = fileURLToPath(new URL(".", import.meta.url));
const dashboards = join(here, "../dashboards");
const published = join(here, "node_modules/@grafana/grafana-foundation-sdk/dist");
const TYPES = ["common", "dashboard", "logs", "loki", "prometheus", "stat", "timeseries"];

const PRELUDE = `
import type { Dashboard, Panel } from "./dashboard";
import type { Options as Logs } from "./logs";
import type { Options as Stat } from "./stat";
import type { Options as TimeSeries } from "./timeseries";
import type { Dataquery as Prometheus } from "./prometheus";
import type { dataquery as Loki } from "./loki";
type Some<T> = T extends (infer U)[] ? Some<U>[] : T extends object ? { [K in keyof T]?: Some<T[K]> } : T;
type PanelOf<Type, Options, Query> = Some<Omit<Panel, "options" | "targets" | "type">>
  & { type: Type; title: string; options?: Some<Options>; targets: Some<Query>[] };
type Known = PanelOf<"timeseries", TimeSeries, Prometheus> | PanelOf<"stat", Stat, Prometheus> | PanelOf<"logs", Logs, Loki>;
type Written = Some<Omit<Dashboard, "panels">> & { uid: string; title: string; panels: Known[] };
`;

/** The published types, with texts where they have enumerations: that is what stands in a file. */
function typesOf(name) {
  const text = readFileSync(join(published, name, "types.gen.d.ts"), "utf8");
  const asTexts = (_, type, members) => {
    const values = [...members.matchAll(/=\s*("[^"]*"|-?\d+)/g)].map(([, value]) => value);
    return `export type ${type} = ${values.join(" | ")};`;
  };
  return text.replace(/export declare enum (\w+) \{(.*?)\}/gs, asTexts).replace(/(["'])\.\.\//g, "$1./");
}

/** What is wrong with a dashboard, each with its place. */
function faults(folder, file) {
  const at = join(folder, `${file}.ts`);
  const prelude = PRELUDE.trim().split("\n").join(" ");
  // The dashboard begins on the second line: one less is its own.
  writeFileSync(at, `${prelude} export const written: Written =\n${readFileSync(join(dashboards, file), "utf8").trim()};\n`);
  const options = {
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    target: ts.ScriptTarget.ES2022,
  };
  const program = ts.createProgram([at], options);
  const source = program.getSourceFile(at);
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map((found) => {
    const line = source.getLineAndCharacterOfPosition(found.start ?? 0).line;
    return `${file}:${line}: ${ts.flattenDiagnosticMessageText(found.messageText, "\n  ")}`;
  });
}

function main() {
  mkdirSync(join(here, "node_modules/.cache"), { recursive: true });
  const folder = mkdtempSync(join(here, "node_modules/.cache/types-"));
  try {
    TYPES.forEach((name) => writeFileSync(join(folder, `${name}.ts`), typesOf(name)));
    const files = readdirSync(dashboards).filter((file) => file.endsWith(".json"));
    const found = files.flatMap((file) => faults(folder, file));
    found.forEach((fault) => console.error(fault));
    console.log(`${files.length} dashboards, ${found.length} faults`);
    return found.length === 0 && files.length > 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

process.exitCode = main();
