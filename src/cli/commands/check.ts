/** `sluice check`: every problem of a settings file, or what it says. */
import { compileConfig, PlanSlots } from '../../config/compile.ts';
import { checkFile } from '../../config/load.ts';
import type { Environment } from '../../config/environment.ts';
import type { Plan, PlanUpstream } from '../../config/plan.ts';
import { ConfigError, describeProblems } from '../../config/problem.ts';
import { EXIT_FAILED, EXIT_OK, type CommandOutput } from '../command-result.ts';

export function check(file: string, environment: Environment, output: CommandOutput): number {
  try {
    const { plan, notices } = compileConfig(checkFile(file, { environment }), {
      number: 1,
      slots: new PlanSlots(),
    });
    for (const notice of notices) output.err(`note: ${notice}\n`);
    output.out(`${file}: ok\n${summary(plan)}`);
    return EXIT_OK;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { problems } = error;
    output.err(`${describeProblems(error.file, problems)}\n`);
    output.err(`${problems.length} problem${problems.length === 1 ? '' : 's'}\n`);
    return EXIT_FAILED;
  }
}

function summary(plan: Plan): string {
  const { listen, upstreams, routes, defaultRoute, auth } = plan;
  const name = (index: number): string => upstreams[index]?.name ?? '';
  const lines = [
    `  listen     ${listen.host}:${listen.port}${listen.path}`,
    ...(plan.admin === null ? [] : [`  admin      ${plan.admin.host}:${plan.admin.port}`]),
    `  shards     ${plan.shards}`,
    `  auth       ${auth.mode === 'methods' ? auth.methods.map(({ label }) => label).join(', ') : 'none, open to everyone who can connect'}`,
    ...upstreams.map((upstream) => `  upstream   ${upstream.name}: ${upstreamText(upstream)}`),
    ...routes.map(
      ({ kind, glob, upstream }) => `  route      ${kind} ${glob} to ${name(upstream)}`,
    ),
    ...(defaultRoute === null
      ? []
      : [`  route      everything else to ${name(defaultRoute.upstream)}`]),
  ];
  return `${lines.join('\n')}\n`;
}

/** Arguments, paths and queries are left out: they may hold secrets. */
function upstreamText(upstream: PlanUpstream): string {
  if (upstream.kind === 'http') return `http, ${new URL(upstream.http.url).host}`;
  const { command, processes } = upstream.stdio;
  return `stdio, ${command}${processes === 1 ? '' : `, ${processes} processes`}`;
}
