/* pop/lang.c - the languages that POP3 answers in. See the header.
 * Invariants  I1 a translation has the response code and the conversions of the English text, in the same order (tested).
 */
#include "pop/lang.h"

#include <string.h>

enum { ENGLISH, GERMAN, CHINESE, COLUMNS };

const struct pop_language pop_languages[] = {
	{ STR("en"), "English", ENGLISH },
	{ STR("i-default"), "English, for everybody", ENGLISH },
	{ STR("de"), "Deutsch", GERMAN },
	{ STR("zh"), "中文", CHINESE },
	{ { 0 }, NULL, 0 },
};

/* clang-format off */
static const char *const texts[][COLUMNS] = {
	{ "%zu messages", "%zu Nachrichten", "%zu 封邮件" },
	{ "%u octets", "%u Oktette", "%u 字节" },
	{ "Bye", "Auf Wiedersehen", "再见" },
	{ "Send PASS", "PASS wird erwartet", "请发送 PASS" },
	{ "Send USER first", "Zuerst USER senden", "请先发送 USER" },
	{ "Capabilities follow", "Es folgen die Fähigkeiten", "以下是服务器功能" },
	{ "Languages follow", "Es folgen die Sprachen", "以下是可用语言" },
	{ "Answers are in English", "Antworten sind auf Deutsch", "将使用中文回复" },
	{ "UTF8 is on", "UTF8 ist eingeschaltet", "UTF8 已启用" },
	{ "Ready to start TLS", "TLS kann beginnen", "可以开始 TLS" },
	{ "Deleted when you quit", "Wird bei QUIT gelöscht", "将在退出时删除" },
	{ "No such language", "Diese Sprache gibt es hier nicht", "不支持该语言" },
	{ "No such command", "Unbekannter Befehl", "没有该命令" },
	{ "No such message", "Diese Nachricht gibt es nicht", "没有该邮件" },
	{ "The message is deleted", "Die Nachricht ist gelöscht", "该邮件已删除" },
	{ "The message is gone", "Die Nachricht ist nicht mehr da", "该邮件已不存在" },
	{ "A message number is needed", "Eine Nachrichtennummer fehlt", "需要邮件编号" },
	{ "A message number and a number of lines are needed", "Nachrichtennummer und Zeilenzahl fehlen", "需要邮件编号和行数" },
	{ "Start TLS (STLS) before you log in", "Vor der Anmeldung muss TLS beginnen (STLS)", "登录前请先启用 TLS（STLS）" },
	{ "The name is too long", "Der Name ist zu lang", "用户名过长" },
	{ "TLS is on already", "TLS läuft schon", "TLS 已启用" },
	{ "TLS is not available here", "TLS gibt es hier nicht", "此处不支持 TLS" },
	{ "STLS comes before UTF8", "STLS kommt vor UTF8", "STLS 必须在 UTF8 之前" },
	{ "Nothing may follow STLS before its reply", "Vor der Antwort auf STLS darf nichts folgen", "STLS 回复之前不得发送其他内容" },
	{ "Log in first", "Zuerst anmelden", "请先登录" },
	{ "You are logged in already", "Schon angemeldet", "您已登录" },
	{ "The command takes no argument", "Der Befehl hat kein Argument", "该命令不带参数" },
	{ "The command needs an argument", "Der Befehl braucht ein Argument", "该命令需要参数" },
	{ "The line holds a NUL byte", "Die Zeile enthält ein NUL-Byte", "该行含有 NUL 字节" },
	{ "The line is too long", "Die Zeile ist zu lang", "该行过长" },
	{ "A CR or LF stands alone; lines end with CRLF", "CR oder LF steht allein; Zeilen enden mit CRLF", "CR 或 LF 单独出现；每行须以 CRLF 结束" },
	{ "The mechanism is not known here", "Dieses Verfahren gibt es hier nicht", "此处不支持该认证机制" },
	{ "Given up, as you asked", "Auf Wunsch abgebrochen", "已按要求取消" },
	{ "This is not what the mechanism says", "Das entspricht nicht dem Verfahren", "内容不符合该认证机制" },
	{ "Too many errors", "Zu viele Fehler", "错误过多" },
	{ "[AUTH] Wrong name or password", "[AUTH] Name oder Kennwort falsch", "[AUTH] 用户名或密码错误" },
	{ "[AUTH] Your login has ended", "[AUTH] Die Anmeldung ist beendet", "[AUTH] 登录已结束" },
	{ "[SYS/TEMP] Too many failed logins; wait", "[SYS/TEMP] Zu viele gescheiterte Anmeldungen; bitte warten", "[SYS/TEMP] 登录失败次数过多，请稍候" },
	{ "[SYS/TEMP] Not possible now; try again later", "[SYS/TEMP] Zurzeit nicht möglich; bitte später versuchen",
	  "[SYS/TEMP] 暂时无法处理，请稍后再试" },
	{ "[SYS/TEMP] The server is restarting; come again", "[SYS/TEMP] Der Server startet neu; bitte wiederkommen",
	  "[SYS/TEMP] 服务器正在重启，请稍后再来" },
	{ "[IN-USE] Another session has the maildrop", "[IN-USE] Eine andere Sitzung hat das Postfach", "[IN-USE] 邮箱正被另一会话使用" },
	{ "[LOGIN-DELAY] Too soon after the last login", "[LOGIN-DELAY] Zu bald nach der letzten Anmeldung", "[LOGIN-DELAY] 距上次登录时间太短" },
	{ "[SYS/PERM] The maildrop cannot be opened: it is damaged or has too many messages",
	  "[SYS/PERM] Das Postfach lässt sich nicht öffnen: es ist beschädigt oder hat zu viele Nachrichten",
	  "[SYS/PERM] 无法打开邮箱：邮箱已损坏或邮件过多" },
	{ "[SYS/PERM] The message cannot be read", "[SYS/PERM] Die Nachricht ist nicht lesbar", "[SYS/PERM] 无法读取该邮件" },
	{ "[SYS/TEMP] Some deleted messages were not removed", "[SYS/TEMP] Einige gelöschte Nachrichten wurden nicht entfernt",
	  "[SYS/TEMP] 部分已删除的邮件未能移除" },
	{ "[SYS/PERM] Some deleted messages were not removed", "[SYS/PERM] Einige gelöschte Nachrichten wurden nicht entfernt",
	  "[SYS/PERM] 部分已删除的邮件未能移除" },
};
/* clang-format on */

/* a is b, or begins with it and goes on with a hyphen. */
static bool extends(struct str a, struct str b)
{
	return a.n >= b.n && str_ieq(str_sub(a, 0, b.n), b) && (a.n == b.n || a.p[b.n] == '-');
}

const struct pop_language *pop_language_find(struct str range)
{
	if (str_eq(range, STR("*")))
		return pop_languages;
	for (const struct pop_language *l = pop_languages; range.n && l->tag.n; l++)
		if (extends(l->tag, range) || extends(range, l->tag))
			return l;
	return NULL;
}

const char *pop_translate(const struct pop_language *l, const char *english)
{
	for (size_t i = 0; l->column != ENGLISH && i < sizeof texts / sizeof *texts; i++)
		if (strcmp(texts[i][ENGLISH], english) == 0)
			return texts[i][l->column];
	return english;
}
