import { enhance } from './upload.ts';

enhance();
