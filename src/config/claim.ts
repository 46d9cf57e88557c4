/** Claims of a credential, as settings name them. */
import type { PlanClaimMapping, PlanClaimPath } from './plan.ts';
import { listOf } from './schema-value.ts';

/** `realm_access.roles` goes down; a name with a slash (`https://example.com/roles`) is one claim. */
export function claimPath(claim: string): PlanClaimPath {
  return claim.includes('/') ? [claim] : claim.split('.');
}

export interface ClaimSettings {
  readonly clientId?: string | readonly string[] | undefined;
  readonly scopes?: string | readonly string[] | undefined;
  readonly requiredClaims?:
    | Readonly<Record<string, string | number | boolean | readonly (string | number | boolean)[]>>
    | undefined;
  readonly grantScopes: readonly string[];
}

/** The mapping that settings ask for, with a method's own claims where they say nothing. */
export function claimMapping(
  settings: ClaimSettings,
  clientIdClaims: readonly PlanClaimPath[],
  scopeClaims: readonly PlanClaimPath[],
): PlanClaimMapping {
  return {
    clientIdClaims:
      settings.clientId === undefined ? clientIdClaims : listOf(settings.clientId).map(claimPath),
    scopeClaims:
      settings.scopes === undefined ? scopeClaims : listOf(settings.scopes).map(claimPath),
    requiredClaims: Object.entries(settings.requiredClaims ?? {}).map(([claim, values]) => ({
      path: claimPath(claim),
      values: listOf(values),
    })),
    grantScopes: settings.grantScopes,
  };
}
