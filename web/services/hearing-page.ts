import { enhance } from './hearing.ts';

enhance();
