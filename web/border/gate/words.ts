/**
 * What a gate says to travellers, in six languages: short, calm, one thing at a time.
 *
 * Not the kit's dictionary: that one has two languages, follows the device's and keeps it for the next visit. Here the language is one
 * traveller's, and is forgotten with them.
 * French and English are the house's own. Spanish, German, Arabic and Chinese are not yet read by native speakers (docs/border.md).
 */
import type { Text } from '../../kit';

export const LANGUAGES = ['fr', 'en', 'es', 'de', 'ar', 'zh'] as const;
export type Language = (typeof LANGUAGES)[number];

/** Each language by its own name. */
export const NAMES: Record<Language, string> = { fr: 'Français', en: 'English', es: 'Español', de: 'Deutsch', ar: 'العربية', zh: '中文' };

export function direction(language: Language): 'ltr' | 'rtl' {
  return language === 'ar' ? 'rtl' : 'ltr';
}

type Line = Record<Language, string>;

const LINES = {
  choose: { fr: 'Choisissez votre langue', en: 'Choose your language', es: 'Elija su idioma', de: 'Wählen Sie Ihre Sprache', ar: 'اختر لغتك', zh: '请选择语言' },
  equal: {
    fr: 'Sans téléphone, ou si vous préférez : un agent, à côté. Même service.',
    en: 'No phone, or you prefer not: an officer, beside. Same service.',
    es: '¿Sin teléfono, o prefiere no usarlo? Un agente, al lado. Mismo servicio.',
    de: 'Ohne Telefon, oder lieber nicht: eine Person, nebenan. Gleicher Dienst.',
    ar: 'بدون هاتف أو إن فضّلت ذلك: موظف بجانبك. الخدمة نفسها.',
    zh: '没有手机或不愿使用：旁边有工作人员，服务相同。',
  },
  document: {
    fr: 'Posez votre passeport ouvert sur le lecteur',
    en: 'Put your open passport on the reader',
    es: 'Ponga su pasaporte abierto en el lector',
    de: 'Legen Sie Ihren Pass offen auf das Lesegerät',
    ar: 'ضع جواز سفرك مفتوحًا على القارئ',
    zh: '请将护照打开放在读卡器上',
  },
  stays: {
    fr: 'Laissez votre passeport sur le lecteur',
    en: 'Leave your passport on the reader',
    es: 'Deje su pasaporte en el lector',
    de: 'Lassen Sie Ihren Pass auf dem Lesegerät liegen',
    ar: 'اترك جواز سفرك على القارئ',
    zh: '请将护照留在读卡器上',
  },
  code: {
    fr: 'Lisez ce code avec votre téléphone, puis montrez son écran ici',
    en: 'Read this code with your phone, then show its screen here',
    es: 'Lea este código con su teléfono y muestre aquí su pantalla',
    de: 'Lesen Sie diesen Code mit dem Telefon, zeigen Sie dann den Bildschirm hier',
    ar: 'امسح هذا الرمز بهاتفك ثم أظهر شاشته هنا',
    zh: '用手机扫描此码，然后将手机屏幕对准这里',
  },
  straight: { fr: 'Regardez ici', en: 'Look here', es: 'Mire aquí', de: 'Schauen Sie hierher', ar: 'انظر هنا', zh: '请看这里' },
  left: { fr: 'Tournez la tête à gauche', en: 'Turn your head left', es: 'Gire la cabeza a la izquierda', de: 'Kopf nach links drehen', ar: 'أدر رأسك إلى اليسار', zh: '请向左转头' },
  right: { fr: 'Tournez la tête à droite', en: 'Turn your head right', es: 'Gire la cabeza a la derecha', de: 'Kopf nach rechts drehen', ar: 'أدر رأسك إلى اليمين', zh: '请向右转头' },
  up: { fr: 'Levez la tête', en: 'Look up', es: 'Levante la cabeza', de: 'Kopf heben', ar: 'ارفع رأسك', zh: '请抬头' },
  down: { fr: 'Baissez la tête', en: 'Look down', es: 'Baje la cabeza', de: 'Kopf senken', ar: 'اخفض رأسك', zh: '请低头' },
  closer: { fr: 'Approchez-vous', en: 'Come closer', es: 'Acérquese', de: 'Kommen Sie näher', ar: 'اقترب', zh: '请靠近一点' },
  checking: { fr: 'Un instant', en: 'One moment', es: 'Un momento', de: 'Einen Moment', ar: 'لحظة', zh: '请稍候' },
  pass: { fr: 'Passez. Bon voyage !', en: 'Go ahead. Have a good journey!', es: 'Pase. ¡Buen viaje!', de: 'Bitte durchgehen. Gute Reise!', ar: 'تفضل بالعبور. رحلة سعيدة!', zh: '请通过。旅途愉快！' },
  receipt: {
    fr: 'Votre reçu : lisez ce code si vous le voulez. Vous seul le gardez.',
    en: 'Your receipt: read this code if you like. Only you keep it.',
    es: 'Su recibo: lea este código si lo desea. Solo usted lo guarda.',
    de: 'Ihr Beleg: lesen Sie diesen Code, wenn Sie möchten. Nur Sie behalten ihn.',
    ar: 'إيصالك: امسح هذا الرمز إن شئت. أنت وحدك تحتفظ به.',
    zh: '您的凭证：如需要请扫描此码，仅由您保存。',
  },
  alone: { fr: 'Une personne à la fois, s’il vous plaît', en: 'One person at a time, please', es: 'Una persona a la vez, por favor', de: 'Bitte einzeln', ar: 'شخص واحد في كل مرة من فضلك', zh: '请一次一人' },
  light: { fr: 'Placez-vous dans la lumière', en: 'Stand in the light', es: 'Colóquese en la luz', de: 'Stellen Sie sich ins Licht', ar: 'قف في مكان مضيء', zh: '请站到光亮处' },
  turn: { fr: 'Regardez bien en face', en: 'Look straight ahead', es: 'Mire de frente', de: 'Schauen Sie geradeaus', ar: 'انظر إلى الأمام مباشرة', zh: '请正视前方' },
  still: { fr: 'Encore une fois, en suivant la flèche', en: 'Once more, follow the arrow', es: 'Otra vez, siga la flecha', de: 'Noch einmal, folgen Sie dem Pfeil', ar: 'مرة أخرى، اتبع السهم', zh: '请再来一次，跟随箭头' },
  officer: {
    fr: 'Un agent vient vous aider. Vous n’avez rien à faire.',
    en: 'An officer is coming to help you. There is nothing for you to do.',
    es: 'Un agente viene a ayudarle. No tiene que hacer nada.',
    de: 'Jemand kommt und hilft Ihnen. Sie müssen nichts tun.',
    ar: 'سيأتي موظف لمساعدتك. ليس عليك فعل أي شيء.',
    zh: '工作人员马上来协助您，您无需做任何事。',
  },
  decided: {
    fr: 'Suivez l’agent, s’il vous plaît.',
    en: 'Please go with the officer.',
    es: 'Acompañe al agente, por favor.',
    de: 'Bitte gehen Sie mit der Person mit.',
    ar: 'يرجى مرافقة الموظف.',
    zh: '请跟随工作人员。',
  },
  next: { fr: 'Voyageur suivant', en: 'Next traveller', es: 'Siguiente viajero', de: 'Nächste Person', ar: 'المسافر التالي', zh: '下一位旅客' },
  other: { fr: 'Un autre portefeuille', en: 'Another wallet', es: 'Otra cartera', de: 'Andere Brieftasche', ar: 'محفظة أخرى', zh: '其他钱包' },
  own: { fr: 'Le portefeuille Égide', en: 'The Égide wallet', es: 'La cartera Égide', de: 'Die Égide-Brieftasche', ar: 'محفظة Égide', zh: 'Égide 钱包' },
  closed: {
    fr: 'Cette porte est fermée. Passez par l’autre voie.',
    en: 'This gate is closed. Please take the other lane.',
    es: 'Esta puerta está cerrada. Pase por la otra vía.',
    de: 'Dieses Tor ist geschlossen. Bitte nehmen Sie den anderen Weg.',
    ar: 'هذه البوابة مغلقة. يرجى استخدام الممر الآخر.',
    zh: '此通道已关闭，请走另一条通道。',
  },
  person: { fr: 'Je préfère un agent', en: 'I prefer an officer', es: 'Prefiero un agente', de: 'Lieber eine Person', ar: 'أفضّل موظفًا', zh: '我要人工服务' },
  leave: { fr: 'Quitter', en: 'Leave', es: 'Salir', de: 'Beenden', ar: 'خروج', zh: '退出' },
  asks: { fr: 'Qui demande', en: 'Who asks', es: 'Quién lo pide', de: 'Wer fragt', ar: 'من يطلب', zh: '请求方' },
  purpose: { fr: 'Pour', en: 'What for', es: 'Para qué', de: 'Wofür', ar: 'الغرض', zh: '用途' },
  basis: { fr: 'Selon la loi', en: 'By law', es: 'Según la ley', de: 'Nach dem Gesetz', ar: 'وفقًا للقانون', zh: '法律依据' },
  claims: { fr: 'Demandé', en: 'Asked for', es: 'Se pide', de: 'Angefragt', ar: 'المطلوب', zh: '所需信息' },
  kept: { fr: 'Gardé', en: 'Kept', es: 'Se guarda', de: 'Behalten', ar: 'ما يُحفظ', zh: '保存' },
  nothing: { fr: 'rien', en: 'nothing', es: 'nada', de: 'nichts', ar: 'لا شيء', zh: '无' },
  trusted: { fr: 'clé sur la liste de confiance', en: 'key on the trust list', es: 'clave en la lista de confianza', de: 'Schlüssel auf der Vertrauensliste', ar: 'المفتاح في قائمة الثقة', zh: '密钥在信任列表中' },
  codeImage: {
    fr: 'Code de cette porte, à lire avec le portefeuille',
    en: 'This gate’s code, for the wallet to read',
    es: 'Código de esta puerta, para la cartera',
    de: 'Code dieses Tors, für die Brieftasche',
    ar: 'رمز هذه البوابة لتقرأه المحفظة',
    zh: '此通道的二维码，供钱包扫描',
  },
  mirror: { fr: 'Ce que voit la caméra', en: 'What the camera sees', es: 'Lo que ve la cámara', de: 'Was die Kamera sieht', ar: 'ما تراه الكاميرا', zh: '摄像头画面' },
  progress: { fr: 'Avancement', en: 'Progress', es: 'Progreso', de: 'Fortschritt', ar: 'التقدم', zh: '进度' },
} satisfies Record<string, Line>;

export type Key = keyof typeof LINES;

export function words(language: Language, key: Key): string {
  return LINES[key][language];
}

const CLAIMS: Record<string, Line> = {
  flight: { fr: 'le vol', en: 'the flight', es: 'el vuelo', de: 'der Flug', ar: 'الرحلة', zh: '航班' },
  doc_ok: { fr: 'document vérifié', en: 'document checked', es: 'documento verificado', de: 'Dokument geprüft', ar: 'تم التحقق من الوثيقة', zh: '证件已核验' },
  nationality: { fr: 'la nationalité', en: 'the nationality', es: 'la nacionalidad', de: 'die Staatsangehörigkeit', ar: 'الجنسية', zh: '国籍' },
  name: { fr: 'le nom', en: 'the name', es: 'el nombre', de: 'der Name', ar: 'الاسم', zh: '姓名' },
  doc_hash: { fr: 'le lien avec ce document', en: 'the link to this document', es: 'el vínculo con este documento', de: 'die Bindung an dieses Dokument', ar: 'الارتباط بهذه الوثيقة', zh: '与此证件的关联' },
  face_t: { fr: 'le visage, quelques secondes', en: 'the face, for some seconds', es: 'el rostro, unos segundos', de: 'das Gesicht, einige Sekunden', ar: 'الوجه لبضع ثوانٍ', zh: '人脸，数秒' },
};

/** A claim in words; its name where it is a new one. */
export function claimName(language: Language, claim: string): string {
  return CLAIMS[claim]?.[language] ?? claim;
}

/** A text of the server, which has two languages: in the traveller's own, else in English, and which of them it is. */
export function said(language: Language, text: Text): { lang: string; text: string } {
  return language === 'fr' ? { lang: 'fr', text: text.fr } : { lang: 'en', text: text.en };
}
