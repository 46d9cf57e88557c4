/**
 * Where a request's credentials lie in the bytes it came in. The pipeline fills one such object again
 * for each request; it is read during `authenticate` only.
 */
export interface CredentialSpans {
  /** Value of the Authorization field without surrounding white space; -1: there is none. */
  readonly authorizationStart: number;
  readonly authorizationEnd: number;
  /** Address of the client (behind trusted proxies: as they say): 4 or 16 bytes from `peerStart`. */
  readonly peerFamily: number;
  readonly peerStart: number;
  /**
   * Looks for the field `Authenticator.headers[index]` and sets `headerStart` and `headerEnd`.
   * `authorization` may be among them. False: the request has no such field.
   */
  findHeader(index: number): boolean;
  readonly headerStart: number;
  readonly headerEnd: number;
}
