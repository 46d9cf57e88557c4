/** What the kernel exports. One module for all of it: a call from one part into another costs nothing. */
export { copy, equal, plainEnd, publish, visibleEnd } from './bytes';
export { fieldsAgree, readFields } from './fields';
export { fitHead } from './heads';
export { takeLimits } from './limits';
export { fitMessage } from './shapes';
