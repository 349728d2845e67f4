/**
 * The wallet's service worker: it opens at a gate without network. The page that enrols, which needs the network anyway, passes by it.
 */
import { keep } from '../../kit/worker';

keep({ prefix: 'egide-pass-', page: '/pass' });
