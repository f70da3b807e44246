/** What a request can be refused for. */

/** What was asked for is not there: 404. */
export class NotFoundError extends Error {
  override readonly name = 'NotFoundError';
}

/** The request makes no sense: 400. */
export class BadRequestError extends Error {
  override readonly name = 'BadRequestError';
}
