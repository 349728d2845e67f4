import { start } from '../kit/mount';
import SignIn from './SignIn.svelte';

start(SignIn, 'resident');
