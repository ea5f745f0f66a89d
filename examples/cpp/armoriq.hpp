// A small C++17 layer over armoriq.h: what it owns is freed by its destructor, and what fails throws.
#pragma once

#include <armoriq.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace armoriq {

using nlohmann::json;

class error : public std::runtime_error {
public:
    error(armoriq_status status, const json &details)
        : std::runtime_error(details.value("message", std::string())), status_(status), details_(details)
    {
    }

    armoriq_status status() const noexcept { return status_; }
    const char *code() const noexcept { return armoriq_status_name(status_); }
    // All that is known: the code, the message, and what the kind of error adds to them.
    const json &details() const noexcept { return details_; }

private:
    armoriq_status status_;
    json details_;
};

enum class verdict : armoriq_verdict { block = ARMORIQ_BLOCK, allow = ARMORIQ_ALLOW, hold = ARMORIQ_HOLD };

struct decision {
    armoriq::verdict verdict;
    json details;

    bool allowed() const noexcept { return verdict == armoriq::verdict::allow; }
    std::string reason() const { return text("reason"); }
    std::string delegation_id() const { return text("delegation_id"); }

private:
    std::string text(const char *member) const
    {
        const auto found = details.find(member);
        return found != details.end() && found->is_string() ? found->get<std::string>() : std::string();
    }
};

namespace detail {

template <auto Free> struct freed_by {
    template <typename T> void operator()(T *owned) const noexcept { Free(owned); }
};

using text = std::unique_ptr<char, freed_by<armoriq_string_free>>;
using client = std::unique_ptr<armoriq_client, freed_by<armoriq_client_free>>;
using user_scope = std::unique_ptr<armoriq_user_scope, freed_by<armoriq_user_scope_free>>;
using session = std::unique_ptr<armoriq_session, freed_by<armoriq_session_free>>;

// Calls a function whose last parameter is the JSON; gives that, or throws it.
template <typename... Parameters, typename... Arguments>
json call(armoriq_status (*function)(Parameters...), Arguments... arguments)
{
    char *out = nullptr;
    const armoriq_status status = function(arguments..., &out);
    const text owner(out);
    json result = out ? json::parse(out) : json::object();
    if (status != ARMORIQ_OK) throw error(status, result);
    return result;
}

// A text for C, which a NUL would end: the library would only see, and decide about, what stands before it.
inline const char *whole(const std::string &text)
{
    if (text.find('\0') != std::string::npos) throw std::invalid_argument("a text must not hold a NUL");
    return text.c_str();
}

} // namespace detail

// One turn of an agent.
class session {
public:
    explicit session(detail::session handle) : handle_(std::move(handle)) {}

    json start_plan(const json &tool_calls, const std::string &goal)
    {
        return detail::call(armoriq_session_start_plan, handle_.get(), tool_calls.dump().c_str(),
                            detail::whole(goal));
    }

    armoriq::decision check(const std::string &tool, const json &arguments)
    {
        armoriq_verdict verdict = ARMORIQ_BLOCK;
        json details = detail::call(armoriq_session_check, handle_.get(), detail::whole(tool),
                                    arguments.dump().c_str(), nullptr, &verdict);
        return {static_cast<armoriq::verdict>(verdict), std::move(details)};
    }

    std::string await_approval(const std::string &delegation_id, const json &options = json::object())
    {
        return detail::call(armoriq_session_await_approval, handle_.get(), detail::whole(delegation_id),
                            options.dump().c_str())
            .at("status");
    }

private:
    detail::session handle_;
};

// One end user.
class user_scope {
public:
    explicit user_scope(detail::user_scope handle) : handle_(std::move(handle)) {}

    session start_session(const json &options = json::object())
    {
        armoriq_session *out = nullptr;
        detail::call(armoriq_user_start_session, handle_.get(), options.dump().c_str(), &out);
        return session(detail::session(out));
    }

private:
    detail::user_scope handle_;
};

// One per process and API key. Options that are not given come from the environment.
class client {
public:
    explicit client(const json &options = json::object())
    {
        armoriq_client *out = nullptr;
        detail::call(armoriq_client_new, static_cast<std::uint32_t>(ARMORIQ_ABI_VERSION), options.dump().c_str(), &out);
        handle_.reset(out);
    }

    user_scope for_user(const std::string &email)
    {
        armoriq_user_scope *out = nullptr;
        detail::call(armoriq_for_user, handle_.get(), detail::whole(email), &out);
        return user_scope(detail::user_scope(out));
    }

private:
    detail::client handle_;
};

} // namespace armoriq
